//! Integration tests: what files decode to, against Pillow (`tools/goldens/image.py` writes the fixtures).

mod broken;
mod decoded;
mod goldens;
mod resized;
mod tensors;
