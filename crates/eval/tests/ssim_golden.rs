//! Structural similarity against scikit-image 0.25.2; `golden/ssim.py` prints the values.

use byteedit_eval::metric::{ssim, ssim_map};
use byteedit_image::{Mask, Rect, Size, UnitImage};

const SIZE: Size = Size::new(23, 19);
/// Two ways to sum products of numbers around 1 in 64 bits, divided by variances of at least 9e-4.
const TOLERANCE: f64 = 1e-9;

const RESULT: [f64; 6] =
    [0.939_349_619_4, 0.844_134_246_0, -0.381_036_538_9, 0.299_901_960_3, 0.172_431_959_6, 0.201_821_328_1];
const FADED: [f64; 6] =
    [0.521_201_082_5, 0.764_440_254_7, 0.800_371_620_8, 0.785_854_521_8, 0.794_965_517_6, 0.797_372_180_3];

/// Three channels from integer arithmetic alone, as in the script.
fn picture(a: usize, b: usize, c: usize) -> UnitImage {
    let value = |x: usize, y: usize, k: usize| {
        ((a * x + b * y + c * k * (x * y)) % (61 + k)) as f64 / (61 + k) as f64
    };
    let pixel = |at: usize| [0, 1, 2].map(|k| value(at % SIZE.width, at / SIZE.width, k) as f32);
    UnitImage::new(SIZE, (0..SIZE.area()).flat_map(pixel).collect()).expect("3 values per pixel")
}

fn faded(image: &UnitImage) -> UnitImage {
    let data = image.data().iter().map(|&value| (0.5 * f64::from(value) + 0.25) as f32).collect();
    UnitImage::new(SIZE, data).expect("3 values per pixel")
}

/// Corners, border, middle, mean of all, mean over columns 6 to 19 of rows 4 to 12.
fn values(result: &UnitImage, truth: &UnitImage) -> [f64; 6] {
    let map = ssim_map(result, truth);
    let at = |x: usize, y: usize| map[y * SIZE.width + x];
    let over = |region: &Mask| ssim(result, truth, region).expect("the region has pixels");
    let window = Mask::from_rect(SIZE, Rect::new(6, 4, 14, 9)).expect("it lies in the picture");
    [at(0, 0), at(22, 0), at(11, 18), at(9, 9), over(&Mask::filled(SIZE, 255)), over(&window)]
}

#[test]
fn it_is_that_of_scikit_image() {
    let truth = picture(3, 5, 1);
    for (result, expected) in [(picture(3, 6, 2), RESULT), (faded(&truth), FADED)] {
        for (found, expected) in values(&result, &truth).into_iter().zip(expected) {
            assert!((found - expected).abs() < TOLERANCE, "{found} instead of {expected}");
        }
    }
}
