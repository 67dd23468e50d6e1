//! Numbers side by side in the processor's registers, eight of AVX2 or sixteen of AVX-512, and what activations are, in AVX2.

use std::arch::x86_64::*;

/// Numbers in a vector that every processor here has.
pub(super) const LANES: usize = 8;

/// Whether the processor has vectors of twice as many. Sums are the same to the bit, since each lane is one of its own.
pub(super) fn has_wide() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")
}

/// A register of numbers.
///
/// # Safety
/// The processor must have AVX2 and FMA, and what [`has_wide`] asks for where `EIGHTS` is 2; numbers at a place that is read or
/// written must be as many as the register holds.
pub(super) trait Vector: Copy {
    /// How many eights of numbers it holds.
    const EIGHTS: usize;

    unsafe fn load(from: *const f32) -> Self;
    /// Each eight so many numbers behind the one before.
    unsafe fn load_apart(from: *const f32, apart: usize) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// The same number everywhere.
    unsafe fn of(number: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// `self * factor + sum`.
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self;
    /// `min(max(self, low), high)`. What is no number stays none.
    unsafe fn clip(self, low: Self, high: Self) -> Self;
}

impl Vector for __m256 {
    const EIGHTS: usize = 1;

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the caller promises, here and below.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn load_apart(from: *const f32, _: usize) -> Self {
        // SAFETY: as above.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn of(number: f32) -> Self {
        _mm256_set1_ps(number)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn add(self, other: Self) -> Self {
        _mm256_add_ps(self, other)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self {
        _mm256_fmadd_ps(self, factor, sum)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn clip(self, low: Self, high: Self) -> Self {
        clip(self, low, high)
    }
}

impl Vector for __m512 {
    const EIGHTS: usize = 2;

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the caller promises, here and below.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn load_apart(from: *const f32, apart: usize) -> Self {
        // SAFETY: as above.
        let [first, second] = unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.wrapping_add(apart))] };
        _mm512_insertf32x8::<1>(_mm512_castps256_ps512(first), second)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn of(number: f32) -> Self {
        _mm512_set1_ps(number)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn add(self, other: Self) -> Self {
        _mm512_add_ps(self, other)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self {
        _mm512_fmadd_ps(self, factor, sum)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn clip(self, low: Self, high: Self) -> Self {
        // As `clip`: the instructions give their second operand where one is no number.
        _mm512_min_ps(high, _mm512_max_ps(low, self))
    }
}

/// What is done to a sum before it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Activation {
    /// `min(max(x, low), high)`: ReLU, ReLU6, and with infinite ends nothing at all.
    Clip {
        /// Infinite where there is none.
        low: f32,
        /// Infinite where there is none.
        high: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `x * sigmoid(x)`.
    Swish,
    /// `min(max(alpha * x + beta, 0), 1)`.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// `x * hard_sigmoid(x)` with a slope of a sixth.
    HardSwish,
}

impl Activation {
    pub(super) const NONE: Self = Self::Clip { low: f32::NEG_INFINITY, high: f32::INFINITY };

    /// The activation of eight numbers. What is no number stays none.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn of(self, x: __m256) -> __m256 {
        match self {
            Self::Clip { low, high } => clip(x, _mm256_set1_ps(low), _mm256_set1_ps(high)),
            Self::Sigmoid => sigmoid(x),
            Self::Swish => _mm256_mul_ps(x, sigmoid(x)),
            Self::HardSigmoid { alpha, beta } => hard_sigmoid(x, alpha, beta),
            Self::HardSwish => _mm256_mul_ps(x, hard_sigmoid(x, 1.0 / 6.0, 0.5)),
        }
    }
}

/// The instructions give their second operand where one is no number.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn clip(x: __m256, low: __m256, high: __m256) -> __m256 {
    _mm256_min_ps(high, _mm256_max_ps(low, x))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn hard_sigmoid(x: __m256, alpha: f32, beta: f32) -> __m256 {
    let line = _mm256_fmadd_ps(x, _mm256_set1_ps(alpha), _mm256_set1_ps(beta));
    clip(line, _mm256_setzero_ps(), _mm256_set1_ps(1.0))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn sigmoid(x: __m256) -> __m256 {
    let one = _mm256_set1_ps(1.0);
    _mm256_div_ps(one, _mm256_add_ps(one, exp(_mm256_sub_ps(_mm256_setzero_ps(), x))))
}

/// `exp`, to about one unit in the last place: 2 to a whole number times a polynomial over half an octave around 0, whose
/// coefficients are those of Cephes (`expf.c`).
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn exp(x: __m256) -> __m256 {
    // The ends keep 2^n a normal number.
    let x = clip(x, _mm256_set1_ps(-87.3), _mm256_set1_ps(88.3));
    let n = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(_mm256_mul_ps(
        x,
        _mm256_set1_ps(std::f32::consts::LOG2_E),
    ));
    // The logarithm of 2 in two parts, the first of few digits.
    let rest = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693_359_4), x);
    let rest = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.121_944_4e-4), rest);
    let mut sum = _mm256_set1_ps(1.987_569_1e-4);
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = _mm256_fmadd_ps(sum, rest, _mm256_set1_ps(coefficient));
    }
    let value = _mm256_fmadd_ps(sum, _mm256_mul_ps(rest, rest), _mm256_add_ps(rest, _mm256_set1_ps(1.0)));
    let power = _mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)));
    _mm256_mul_ps(value, _mm256_castsi256_ps(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[target_feature(enable = "avx2,fma")]
    fn all(activation: Activation, numbers: [f32; LANES]) -> [f32; LANES] {
        let mut found = [0.0; LANES];
        // SAFETY: both hold eight numbers.
        unsafe {
            let x = _mm256_loadu_ps(numbers.as_ptr());
            _mm256_storeu_ps(found.as_mut_ptr(), activation.of(x));
        }
        found
    }

    #[test]
    fn activations_are_what_their_formulas_say() {
        assert!(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"));
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let hard = |x: f64| (x / 6.0 + 0.5).clamp(0.0, 1.0);
        type Case = (Activation, Box<dyn Fn(f64) -> f64>);
        let cases: [Case; 5] = [
            (Activation::Sigmoid, Box::new(sigmoid)),
            (Activation::Swish, Box::new(move |x| x * sigmoid(x))),
            (Activation::HardSwish, Box::new(move |x| x * hard(x))),
            (
                Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
                Box::new(|x| (0.2 * x + 0.5).clamp(0.0, 1.0)),
            ),
            (Activation::Clip { low: -1.0, high: 6.0 }, Box::new(|x| x.clamp(-1.0, 6.0))),
        ];
        for (activation, formula) in cases {
            for i in -2000..2000_i16 {
                let x = f32::from(i) / 32.0;
                // SAFETY: the processor has AVX2 and FMA.
                let found = unsafe { all(activation, [x; LANES]) };
                let expected = formula(f64::from(x));
                let error = (f64::from(found[3]) - expected).abs();
                assert!(
                    error <= 4e-7 * expected.abs().max(1.0),
                    "{activation:?} of {x}: {} is not {expected}",
                    found[3]
                );
            }
            // SAFETY: the processor has AVX2 and FMA.
            assert!(unsafe { all(activation, [f32::NAN; LANES]) }[0].is_nan(), "{activation:?}");
        }
    }
}
