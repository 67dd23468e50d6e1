//! Sums without rounding, so that the order of rows changes no bit of them.

/// A sum of doubles as numbers that do not overlap, smallest first: Shewchuk, "Adaptive Precision Floating-Point
/// Arithmetic" (1997), as in Python's `math.fsum`. What overflows or is not finite makes it infinite or NaN.
#[derive(Debug, Clone, Default)]
pub(super) struct ExactSum {
    parts: Vec<f64>,
}

impl ExactSum {
    /// Adds a number.
    pub(super) fn add(&mut self, number: f64) {
        let (mut high, mut kept) = (number, 0);
        for i in 0..self.parts.len() {
            let (sum, error) = two_sum(high, self.parts[i]);
            if !sum.is_finite() {
                self.parts = vec![sum];
                return;
            }
            if error != 0.0 {
                self.parts[kept] = error;
                kept += 1;
            }
            high = sum;
        }
        self.parts.truncate(kept);
        self.parts.push(high);
    }

    /// Adds a product, which is exact unless it is below 1e-290.
    pub(super) fn add_product(&mut self, a: f64, b: f64) {
        let product = a * b;
        self.add(product);
        let error = a.mul_add(b, -product);
        if product.is_finite() && error != 0.0 {
            self.add(error);
        }
    }

    /// The sum, rounded once.
    pub(super) fn value(&self) -> f64 {
        let mut parts = self.parts.iter().rev().copied();
        let mut high = parts.next().unwrap_or(0.0);
        while let Some(part) = parts.next() {
            let (sum, error) = two_sum(high, part);
            high = sum;
            if error != 0.0 {
                // Half-way cases go to the side that the next part, which no rounding has seen yet, is on.
                let next = parts.next().unwrap_or(0.0);
                let away = sum + 2.0 * error;
                let same_side = (error > 0.0 && next > 0.0) || (error < 0.0 && next < 0.0);
                if same_side && away - sum == 2.0 * error {
                    high = away;
                }
                break;
            }
        }
        high
    }
}

/// A sum and its rounding error.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// Mean and spread of numbers that come one by one.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    sum: ExactSum,
    squares: ExactSum,
}

impl Moments {
    pub(super) fn add(&mut self, number: f64) {
        self.sum.add(number);
        self.squares.add_product(number, number);
    }

    /// The mean of `count` numbers.
    pub(super) fn mean(&self, count: usize) -> f64 {
        self.sum.value() / count as f64
    }

    /// The unbiased standard deviation of `count` numbers, 0 of a single one: `sqrt((n Σx² - (Σx)²) / (n (n - 1)))`,
    /// where the numerator is exact, so that equal numbers deviate by exactly 0.
    pub(super) fn deviation(&self, count: usize) -> f64 {
        let n = count as f64;
        let mut spread = ExactSum::default();
        self.squares.parts.iter().for_each(|part| spread.add_product(n, *part));
        for part in &self.sum.parts {
            self.sum.parts.iter().for_each(|other| spread.add_product(-part, *other));
        }
        if count > 1 { (spread.value() / (n * (n - 1.0))).sqrt() } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(numbers: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        numbers.iter().for_each(|number| sum.add(*number));
        sum.value()
    }

    #[test]
    fn sums_are_rounded_once() {
        let check = |numbers: &[f64], expected: f64| {
            assert_eq!(sum(numbers), expected, "{numbers:?}");
            let backwards: Vec<f64> = numbers.iter().rev().copied().collect();
            assert_eq!(sum(&backwards), expected, "{backwards:?}");
        };
        check(&[], 0.0);
        check(&[0.1; 10], 1.0);
        check(&[1e100, 1.0, -1e100, 1e-100, 1e50, -1.0, -1e50], 1e-100);
        // Half a unit in the last place goes to the even neighbour, and a little more of it up.
        let half = 2.0_f64.powi(-53);
        check(&[1.0, half], 1.0);
        check(&[1.0, half, 1e-40], 1.0 + 2.0 * half);
        check(&[1.0, half, -1e-40], 1.0);
        check(&[f64::INFINITY, 1.0, 2.0], f64::INFINITY);
        assert!(sum(&[f64::INFINITY, 1.0, f64::NEG_INFINITY, 2.0]).is_nan());
        assert!(sum(&[1.0, f64::NAN, 2.0, 3.0]).is_nan());
    }

    #[test]
    fn moments_of_far_and_of_equal_numbers() {
        let moments = |numbers: &[f64]| {
            let mut moments = Moments::default();
            numbers.iter().for_each(|number| moments.add(*number));
            (moments.mean(numbers.len()), moments.deviation(numbers.len()))
        };
        assert_eq!(moments(&[1e15 + 1.0, 1e15 + 2.0, 1e15 + 3.0]), (1e15 + 2.0, 1.0));
        assert_eq!(moments(&[0.1; 1000]), (0.1, 0.0));
        assert_eq!(moments(&[7.0]), (7.0, 0.0));
    }
}
