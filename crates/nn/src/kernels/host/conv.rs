//! 2-D convolution as matrix products over tiles of unfolded input ("im2col"), forward and both
//! gradients. The weight of a checkpoint is already the left matrix, `[c_out, c_in * k * k]`.

use std::cell::RefCell;

use rayon::prelude::*;

use super::gemm::{Product, Strides, gemm};

/// Shape of a convolution with a square kernel.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct ConvShape {
    pub(in super::super) batch: usize,
    pub(in super::super) channels_in: usize,
    pub(in super::super) channels_out: usize,
    pub(in super::super) height: usize,
    pub(in super::super) width: usize,
    pub(in super::super) kernel: usize,
    pub(in super::super) stride: usize,
    pub(in super::super) padding: usize,
}

/// Numbers of unfolded input that one task keeps: about half of a core's second-level cache.
const TILE: usize = 128 * 1024;
/// Rows of the weight gradient that one task computes, as input channels.
const GRAD_CHANNELS: usize = 16;
/// Output positions that the weight gradient sums in one product, at least, where there are as many.
const GRAD_POSITIONS: usize = 1024;

thread_local! {
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Lends the thread's two buffers, at least as long as asked for; their content is arbitrary.
fn with_scratch<R>(lengths: [usize; 2], work: impl FnOnce(&mut [f32], &mut [f32]) -> R) -> R {
    // Taken out while it is used: a thread that waits for others may start another task here.
    let mut buffers = SCRATCH.with(RefCell::take);
    for (buffer, length) in buffers.iter_mut().zip(lengths) {
        if buffer.len() < length {
            buffer.resize(length, 0.0);
        }
    }
    let [first, second] = &mut buffers;
    let result = work(&mut first[..lengths[0]], &mut second[..lengths[1]]);
    SCRATCH.with(|scratch| scratch.replace(buffers));
    result
}

impl ConvShape {
    pub(in super::super) fn out_height(self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    pub(in super::super) fn out_width(self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    fn plane_in(self) -> usize {
        self.height * self.width
    }

    fn plane_out(self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Length of one unfolded column.
    fn column(self) -> usize {
        self.channels_in * self.kernel * self.kernel
    }

    fn is_pointwise(self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }

    /// Output rows that one tile covers.
    fn tile_rows(self) -> usize {
        (TILE / (self.column() * self.out_width()).max(1)).clamp(1, self.out_height())
    }
}

/// `y = weight * x + bias`
pub(in super::super) fn forward(x: &[f32], weight: &[f32], bias: &[f32], shape: ConvShape) -> Vec<f32> {
    let mut y = vec![0.0; shape.batch * shape.channels_out * shape.plane_out()];
    let picture_in = shape.channels_in * shape.plane_in();
    let picture_out = shape.channels_out * shape.plane_out();
    if shape.batch >= rayon::current_num_threads() {
        y.par_chunks_mut(picture_out).zip(x.par_chunks(picture_in)).for_each(|(y, x)| {
            forward_channels(y, x, weight, bias, shape);
        });
    } else {
        // Few pictures: the threads share the output channels of each.
        let channels = shape.channels_out.div_ceil(rayon::current_num_threads()).max(8);
        for (y, x) in y.chunks_mut(picture_out).zip(x.chunks(picture_in)) {
            y.par_chunks_mut(channels * shape.plane_out()).enumerate().for_each(|(index, y)| {
                let first = index * channels;
                let last = (first + channels).min(shape.channels_out);
                let weight = &weight[first * shape.column()..last * shape.column()];
                forward_channels(y, x, weight, &bias[first..last], shape);
            });
        }
    }
    y
}

/// One picture, as many output channels as `bias` has.
fn forward_channels(y: &mut [f32], x: &[f32], weight: &[f32], bias: &[f32], shape: ConvShape) {
    let (plane, k) = (shape.plane_out(), shape.column());
    for (y, bias) in y.chunks_exact_mut(plane).zip(bias) {
        y.fill(*bias);
    }
    let left = (weight, Strides::rows(k));
    if shape.is_pointwise() {
        let size = Product { m: bias.len(), n: plane, k };
        gemm(size, (y, plane), left, (x, Strides::rows(plane)), 1.0, true);
        return;
    }
    let tile_rows = shape.tile_rows();
    let tile = tile_rows * shape.out_width();
    with_scratch([k * tile, 0], |columns, _| {
        for first_row in (0..shape.out_height()).step_by(tile_rows) {
            let rows = tile_rows.min(shape.out_height() - first_row);
            let n = rows * shape.out_width();
            unfold(columns, n, x, shape, first_row..first_row + rows);
            let start = first_row * shape.out_width();
            let size = Product { m: bias.len(), n, k };
            gemm(size, (&mut y[start..], plane), left, (columns, Strides::rows(n)), 1.0, true);
        }
    });
}

/// Gradient of the input.
pub(in super::super) fn x_grad(weight: &[f32], grad: &[f32], shape: ConvShape) -> Vec<f32> {
    let turned = turn(weight, shape);
    if shape.stride == 1 {
        // A convolution of the gradient with the kernels turned by half a circle.
        let shape = ConvShape {
            channels_in: shape.channels_out,
            channels_out: shape.channels_in,
            height: shape.out_height(),
            width: shape.out_width(),
            padding: shape.kernel - 1 - shape.padding,
            ..shape
        };
        return forward(grad, &turned, &vec![0.0; shape.channels_out], shape);
    }
    let mut x_grad = vec![0.0; shape.batch * shape.channels_in * shape.plane_in()];
    let picture_out = shape.channels_out * shape.plane_out();
    x_grad
        .par_chunks_mut(shape.channels_in * shape.plane_in())
        .zip(grad.par_chunks(picture_out))
        .for_each(|(x_grad, grad)| fold_grad(x_grad, weight, grad, shape));
    x_grad
}

/// `[c_out, c_in, k, k] -> [c_in, c_out, k, k]` with each kernel turned by half a circle.
fn turn(weight: &[f32], shape: ConvShape) -> Vec<f32> {
    let area = shape.kernel * shape.kernel;
    let mut turned = vec![0.0; weight.len()];
    for (index, kernel) in weight.chunks_exact(area).enumerate() {
        let (c_out, c_in) = (index / shape.channels_in, index % shape.channels_in);
        let start = (c_in * shape.channels_out + c_out) * area;
        for (turned, value) in turned[start..start + area].iter_mut().zip(kernel.iter().rev()) {
            *turned = *value;
        }
    }
    turned
}

/// Input gradient of one picture for any stride: columns of gradients, added where they came from.
fn fold_grad(x_grad: &mut [f32], weight: &[f32], grad: &[f32], shape: ConvShape) {
    let (k, n) = (shape.column(), shape.plane_out());
    with_scratch([k * n, 0], |columns, _| {
        let size = Product { m: k, n, k: shape.channels_out };
        gemm(size, (columns, n), (weight, Strides::columns(k)), (grad, Strides::rows(n)), 1.0, false);
        for (row, column) in columns.chunks_exact(n).enumerate() {
            let place = Place::new(row, shape);
            let plane = &mut x_grad[place.channel * shape.plane_in()..][..shape.plane_in()];
            for y in 0..shape.out_height() {
                let Some(source_row) = place.source_row(y, shape) else { continue };
                let target = &mut plane[source_row * shape.width..][..shape.width];
                let values = &column[y * shape.out_width()..][..shape.out_width()];
                for x in place.inside(shape) {
                    target[x * shape.stride + place.kernel_x - shape.padding] += values[x];
                }
            }
        }
    });
}

/// Gradient of the weight, `[c_out, c_in, k, k]`.
pub(in super::super) fn weight_grad(x: &[f32], grad: &[f32], shape: ConvShape) -> Vec<f32> {
    let (m, area, plane) = (shape.channels_out, shape.kernel * shape.kernel, shape.plane_out());
    let pictures = GRAD_POSITIONS.div_ceil(plane).clamp(1, shape.batch);
    let mut transposed = vec![0.0; weight_len(shape)]; // [c_in * k * k, c_out]
    transposed.par_chunks_mut(GRAD_CHANNELS * area * m).enumerate().for_each(|(index, out)| {
        let rows = out.len() / m;
        let first_channel = index * GRAD_CHANNELS;
        with_scratch([rows * pictures * plane, m * pictures * plane], |columns, grads| {
            for first in (0..shape.batch).step_by(pictures) {
                let group = pictures.min(shape.batch - first);
                let n = group * plane;
                for picture in 0..group {
                    let source = (first + picture) * shape.channels_in + first_channel;
                    let channels = rows / area;
                    let x = &x[source * shape.plane_in()..][..channels * shape.plane_in()];
                    let part = ConvShape { channels_in: channels, ..shape };
                    unfold(&mut columns[picture * plane..], n, x, part, 0..shape.out_height());
                }
                let grads = gather_grads(grads, grad, first..first + group, shape);
                let size = Product { m: rows, n: m, k: n };
                gemm(
                    size,
                    (out, m),
                    (columns, Strides::rows(n)),
                    (grads, Strides::columns(n)),
                    1.0,
                    first > 0,
                );
            }
        });
    });
    transpose(&transposed, m)
}

/// `[picture, c_out, plane] -> [c_out, picture * plane]`; a single picture is used in place.
fn gather_grads<'a>(
    buffer: &'a mut [f32],
    grad: &'a [f32],
    pictures: std::ops::Range<usize>,
    shape: ConvShape,
) -> &'a [f32] {
    let plane = shape.plane_out();
    let picture = shape.channels_out * plane;
    if pictures.len() == 1 {
        return &grad[pictures.start * picture..][..picture];
    }
    let n = pictures.len() * plane;
    for (place, index) in pictures.enumerate() {
        for (channel, values) in grad[index * picture..][..picture].chunks_exact(plane).enumerate() {
            buffer[channel * n + place * plane..][..plane].copy_from_slice(values);
        }
    }
    buffer
}

fn weight_len(shape: ConvShape) -> usize {
    shape.channels_out * shape.column()
}

/// Rows of `width` numbers become columns.
fn transpose(values: &[f32], width: usize) -> Vec<f32> {
    let height = values.len() / width;
    let mut transposed = vec![0.0; values.len()];
    transposed.par_chunks_mut(height).enumerate().for_each(|(column, out)| {
        for (row, out) in out.iter_mut().enumerate() {
            *out = values[row * width + column];
        }
    });
    transposed
}

/// Gradient of the bias: the sum over pictures and positions.
pub(in super::super) fn bias_grad(grad: &[f32], shape: ConvShape) -> Vec<f32> {
    let plane = shape.plane_out();
    (0..shape.channels_out)
        .into_par_iter()
        .map(|channel| {
            let planes = grad.chunks_exact(plane).skip(channel).step_by(shape.channels_out);
            planes.map(|plane| plane.iter().sum::<f32>()).sum()
        })
        .collect()
}

/// Which input channel and which tap of the kernel a row of the unfolded matrix stands for.
#[derive(Debug, Clone, Copy)]
struct Place {
    channel: usize,
    kernel_y: usize,
    kernel_x: usize,
}

impl Place {
    fn new(row: usize, shape: ConvShape) -> Self {
        let k = shape.kernel;
        Self { channel: row / (k * k), kernel_y: row / k % k, kernel_x: row % k }
    }

    /// The input row under this tap at output row `y`, `None` in the padding.
    fn source_row(self, y: usize, shape: ConvShape) -> Option<usize> {
        (y * shape.stride + self.kernel_y).checked_sub(shape.padding).filter(|row| *row < shape.height)
    }

    /// Output columns whose tap is not in the padding.
    fn inside(self, shape: ConvShape) -> std::ops::Range<usize> {
        let first = shape.padding.saturating_sub(self.kernel_x).div_ceil(shape.stride);
        let end = (shape.width + shape.padding).saturating_sub(self.kernel_x).div_ceil(shape.stride);
        first..end.clamp(first, shape.out_width().max(first))
    }
}

/// Unfolds output rows of one picture: a row of `columns` for each input channel and tap, a number for
/// each output position; the rows are parts of longer ones of `stride` numbers.
fn unfold(columns: &mut [f32], stride: usize, x: &[f32], shape: ConvShape, out_rows: std::ops::Range<usize>) {
    let width = shape.out_width();
    for row in 0..shape.column() {
        let place = Place::new(row, shape);
        let plane = &x[place.channel * shape.plane_in()..][..shape.plane_in()];
        let out = &mut columns[row * stride..][..out_rows.len() * width];
        let inside = place.inside(shape);
        for (y, out) in out_rows.clone().zip(out.chunks_exact_mut(width)) {
            let Some(source_row) = place.source_row(y, shape) else {
                out.fill(0.0);
                continue;
            };
            let source = &plane[source_row * shape.width..][..shape.width];
            out[..inside.start].fill(0.0);
            out[inside.end..].fill(0.0);
            let first = inside.start * shape.stride + place.kernel_x - shape.padding;
            let out = &mut out[inside.clone()];
            if shape.stride == 1 {
                out.copy_from_slice(&source[first..first + inside.len()]);
            } else {
                for (out, value) in out.iter_mut().zip(source[first..].iter().step_by(shape.stride)) {
                    *out = *value;
                }
            }
        }
    }
}
