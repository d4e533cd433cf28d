"""Prints the values that tests/ssim_golden.rs holds. Needs scikit-image 0.25.2 and numpy 2."""

import numpy as np
from skimage.metrics import structural_similarity

HEIGHT, WIDTH = 19, 23


def picture(a, b, c):
    """Three channels from integer arithmetic alone, so that every machine makes the same picture."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    channels = [(a * x + b * y + c * k * (x * y)) % (61 + k) for k in range(3)]
    planes = [channel / (61.0 + k) for k, channel in enumerate(channels)]
    # The values that are compared are those of 32 bits; the arithmetic is of 64.
    return np.stack(planes, axis=-1).astype(np.float32).astype(np.float64)


truth, result = picture(3, 5, 1), picture(3, 6, 2)
faded = (0.5 * truth + 0.25).astype(np.float32).astype(np.float64)
for name, image in [("result", result), ("faded", faded)]:
    _, channels = structural_similarity(
        image,
        truth,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=2,
        full=True,
    )
    ssim = channels.mean(axis=2)
    box = ssim[4:13, 6:20]
    values = [ssim[0, 0], ssim[0, 22], ssim[18, 11], ssim[9, 9], ssim.mean(), box.mean()]
    print(name, ", ".join(f"{value:.10f}" for value in values))
