//! Deep-learning pipelines over tables of images.
