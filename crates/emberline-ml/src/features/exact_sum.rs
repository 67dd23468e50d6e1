//! Sums without rounding, so that the order of rows changes no bit of them.

/// Mean and spread of numbers that come one by one.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    sum: LongSum,
    squares: LongSum,
}

impl Moments {
    /// Of no number yet.
    pub(super) const ZERO: Self = Self { sum: LongSum::ZERO, squares: LongSum::ZERO };

    /// Adds a number, whose square is exact unless it is below 1e-290.
    pub(super) fn add(&mut self, number: f64) {
        self.sum.add(number);
        let square = number * number;
        self.squares.add(square);
        if square.is_finite() {
            self.squares.add(number.mul_add(number, -square));
        }
    }

    /// The mean of `count` numbers.
    pub(super) fn mean(&self, count: usize) -> f64 {
        self.sum.expansion().value() / count as f64
    }

    /// The unbiased standard deviation of `count` numbers, 0 of a single one: `sqrt((n Σx² - (Σx)²) / (n (n - 1)))`,
    /// where the numerator is exact, so that equal numbers deviate by exactly 0.
    pub(super) fn deviation(&self, count: usize) -> f64 {
        let (n, sum) = (count as f64, self.sum.expansion());
        let mut spread = Expansion::default();
        self.squares.expansion().parts.iter().for_each(|part| spread.add_product(n, *part));
        for part in &sum.parts {
            sum.parts.iter().for_each(|other| spread.add_product(-part, *other));
        }
        if count > 1 { (spread.value() / (n * (n - 1.0))).sqrt() } else { 0.0 }
    }
}

/// Bits of a chunk of a [`LongSum`]. The other half of its 64 bits holds carries.
const CHUNK_BITS: usize = 32;
/// Chunks for every exponent of a double, from 2^-1074 to 2^1023, and for a mantissa on top.
const CHUNKS: usize = (1074 + 1024) / CHUNK_BITS + 2;
/// Numbers added before carries are moved on.
const ADDED_MAX: u32 = 1 << 30;

/// A sum of many doubles as one long integer, in units of 2^-1074.
#[derive(Debug, Clone)]
struct LongSum {
    chunks: [i64; CHUNKS],
    added: u32,
    /// What is not finite, which is no part of the integer.
    infinite: f64,
}

impl LongSum {
    const ZERO: Self = Self { chunks: [0; CHUNKS], added: 0, infinite: 0.0 };

    fn add(&mut self, number: f64) {
        let bits = number.to_bits();
        let (exponent, fraction) = ((bits >> 52 & 0x7ff) as usize, bits & ((1 << 52) - 1));
        if exponent == 0x7ff {
            self.infinite += number;
            return;
        }
        // A number is its mantissa, with the leading bit that normal ones leave out, times 2^(place - 1074).
        let mantissa = fraction | u64::from(exponent > 0) << 52;
        let place = exponent.saturating_sub(1);
        let shifted = u128::from(mantissa) << (place % CHUNK_BITS);
        let negative = number.is_sign_negative();
        for (i, chunk) in self.chunks[place / CHUNK_BITS..][..3].iter_mut().enumerate() {
            let part = i64::from((shifted >> (i * CHUNK_BITS)) as u32);
            *chunk += if negative { -part } else { part };
        }
        self.added += 1;
        if self.added == ADDED_MAX {
            self.carry();
        }
    }

    /// Leaves [`CHUNK_BITS`] bits in every chunk but the last, which has the sign.
    fn carry(&mut self) {
        self.added = 0;
        for i in 1..CHUNKS {
            self.chunks[i] += self.chunks[i - 1] >> CHUNK_BITS;
            self.chunks[i - 1] &= (1 << CHUNK_BITS) - 1;
        }
    }

    /// The sum as few doubles.
    fn expansion(&self) -> Expansion {
        let mut size = self.clone();
        size.carry();
        let negative = size.chunks[CHUNKS - 1] < 0;
        if negative {
            size.chunks.iter_mut().for_each(|chunk| *chunk = -*chunk);
            size.carry();
        }
        let mut sum = Expansion::default();
        sum.add(self.infinite);
        for (i, chunk) in size.chunks.into_iter().enumerate().filter(|(_, chunk)| *chunk != 0) {
            // In two steps, since the power itself may be too small or too large for a double.
            let power = (i * CHUNK_BITS) as i32 - 1074;
            let part = chunk as f64 * 2.0_f64.powi(power / 2) * 2.0_f64.powi(power - power / 2);
            sum.add(if negative { -part } else { part });
        }
        sum
    }
}

/// A sum of doubles as numbers that do not overlap, smallest first: Shewchuk, "Adaptive Precision Floating-Point
/// Arithmetic" (1997), as in Python's `math.fsum`. What overflows or is not finite makes it infinite or NaN.
#[derive(Debug, Clone, Default)]
struct Expansion {
    parts: Vec<f64>,
}

impl Expansion {
    /// Adds a number.
    fn add(&mut self, number: f64) {
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
    fn add_product(&mut self, a: f64, b: f64) {
        let product = a * b;
        self.add(product);
        let error = a.mul_add(b, -product);
        if product.is_finite() && error != 0.0 {
            self.add(error);
        }
    }

    /// The sum, rounded once.
    fn value(&self) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(numbers: &[f64]) -> f64 {
        let mut long = LongSum::ZERO;
        numbers.iter().for_each(|number| long.add(*number));
        let mut short = Expansion::default();
        numbers.iter().for_each(|number| short.add(*number));
        let (long, short) = (long.expansion().value(), short.value());
        assert!(long == short || (long.is_nan() && short.is_nan()), "{long} or {short}: {numbers:?}");
        long
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
        check(&[-1.0, 0.25, -0.0, -2.5], -3.25);
        check(&[-1e308, -5e307], -1.5e308);
        check(&[f64::MAX, -1.0, -f64::MAX, 5e-324], -1.0);
        check(&[5e-324, 5e-324, -1.5e-323], -5e-324);
        check(&[1e-310, f64::MIN_POSITIVE], 1e-310 + f64::MIN_POSITIVE);
        check(&[f64::INFINITY, 1.0, 2.0], f64::INFINITY);
        assert!(sum(&[f64::INFINITY, 1.0, f64::NEG_INFINITY, 2.0]).is_nan());
        assert!(sum(&[1.0, f64::NAN, 2.0, 3.0]).is_nan());
    }

    #[test]
    fn moments_of_far_and_of_equal_numbers() {
        let moments = |numbers: &[f64]| {
            let mut moments = Moments::ZERO;
            numbers.iter().for_each(|number| moments.add(*number));
            (moments.mean(numbers.len()), moments.deviation(numbers.len()))
        };
        assert_eq!(moments(&[1e15 + 1.0, 1e15 + 2.0, 1e15 + 3.0]), (1e15 + 2.0, 1.0));
        assert_eq!(moments(&[0.1; 1000]), (0.1, 0.0));
        assert_eq!(moments(&[-0.1; 1000]), (-0.1, 0.0));
        assert_eq!(moments(&[7.0]), (7.0, 0.0));
        let (mean, deviation) = moments(&[1.0, f64::NAN]);
        assert!(mean.is_nan() && deviation.is_nan());
    }

    #[test]
    fn carries_are_moved_on_in_time() {
        let mut sum = LongSum::ZERO;
        sum.added = ADDED_MAX - 2;
        sum.chunks.fill(i64::MAX - (1 << CHUNK_BITS));
        sum.chunks[CHUNKS - 1] = 0;
        (0..4).for_each(|_| sum.add(1.0));
        assert_eq!(sum.added, 2);
    }
}
