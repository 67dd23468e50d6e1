//! The tests of the whole: what no single crate can say about itself.

mod architecture;
