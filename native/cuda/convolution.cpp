// Convolution as matrix products: an image's columns times the weights, for as many images at a
// time as the workspace holds. Weight gradients are summed over images in order.
#include <algorithm>

#include "cuda/cuda_backend.h"
#include "dtype.h"

namespace namp {
namespace {

constexpr int64_t kWorkspaceBytes = 256 << 20;

void* offset(const void* data, int32_t dtype, int64_t elements) {
  return static_cast<char*>(const_cast<void*>(data)) + elements * dtype_size(dtype);
}

// The sizes of a call's products.
struct Shape {
  int64_t out_h, out_w, plane, in_channels, out_channels, taps;

  explicit Shape(const namp_conv2d_args& a)
      : out_h((a.in_h + 2 * a.pad_h - a.dilation_h * (a.kernel_h - 1) - 1) / a.stride_h + 1),
        out_w((a.in_w + 2 * a.pad_w - a.dilation_w * (a.kernel_w - 1) - 1) / a.stride_w + 1),
        plane(out_h * out_w),
        in_channels(a.in_channels / a.groups),
        out_channels(a.out_channels / a.groups),
        taps(in_channels * a.kernel_h * a.kernel_w) {}

  // Number of images that fit the workspace, with this many bytes for each.
  int64_t images_at_once(int64_t batch, int64_t bytes) const {
    return std::clamp<int64_t>(kWorkspaceBytes / std::max<int64_t>(1, bytes), 1,
                               std::max<int64_t>(1, batch));
  }
};

cuda::ColumnsArgs columns_of(const namp_conv2d_args& args, const Shape& shape, const void* tensor,
                             void* columns, int32_t columns_dtype, int64_t first, int64_t images,
                             int64_t group) {
  cuda::ColumnsArgs c{};
  c.shape = args;
  c.image_stride = args.in_channels * args.in_h * args.in_w;
  c.image = offset(tensor, args.dtype,
                   first * c.image_stride + group * shape.in_channels * args.in_h * args.in_w);
  c.columns = columns;
  c.image_dtype = args.dtype;
  c.columns_dtype = columns_dtype;
  c.images = images;
  c.channels = shape.in_channels;
  c.out_h = shape.out_h;
  c.out_w = shape.out_w;
  return c;
}

namp_gemm_args product_of(int64_t m, int64_t n, int64_t k, int64_t batch, int32_t dtype) {
  namp_gemm_args g{};
  g.struct_size = sizeof(g);
  g.a_dtype = g.b_dtype = g.c_dtype = dtype;
  g.m = m;
  g.n = n;
  g.k = k;
  g.batch = batch;
  g.alpha = 1.0f;
  return g;
}

int64_t element_blocks(int64_t count) { return cuda::blocks(count, cuda::kElementThreads); }

}  // namespace

void CudaBackend::conv2d_forward(const namp_conv2d_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const Shape s(args);
  const int64_t image_bytes = s.taps * s.plane * dtype_size(args.dtype);
  if (args.batch == 0 || args.out_channels == 0) return;
  const int64_t images = s.images_at_once(args.batch, image_bytes);
  void* columns = workspace(std::max<int64_t>(1, images * image_bytes), stream);
  const int64_t output_stride = args.out_channels * s.plane;
  for (int64_t first = 0; first < args.batch; first += images) {
    const int64_t count = std::min(images, args.batch - first);
    for (int64_t group = 0; group < args.groups; ++group) {
      launch(cuda::kImageToColumns, element_blocks(count * s.taps * s.plane),
             columns_of(args, s, args.input, columns, args.dtype, first, count, group), stream);
      namp_gemm_args g = product_of(s.out_channels, s.plane, s.taps, count, args.dtype);
      g.a = offset(args.weight, args.dtype, group * s.out_channels * s.taps);
      g.lda = s.taps;
      g.b = columns;
      g.ldb = s.plane;
      g.stride_b = s.taps * s.plane;
      g.c =
          offset(args.output, args.dtype, first * output_stride + group * s.out_channels * s.plane);
      g.ldc = s.plane;
      g.stride_c = output_stride;
      if (args.bias != nullptr) {
        g.bias = offset(args.bias, args.dtype, group * s.out_channels);
        g.bias_dtype = args.dtype;
      }
      g.activation = args.activation;
      multiply({g, 1}, stream);
    }
  }
}

void CudaBackend::conv2d_backward_data(const namp_conv2d_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const Shape s(args);
  // The columns' gradients stay in float32 until a pixel's are summed.
  const int64_t image_bytes = s.taps * s.plane * dtype_size(NAMP_FLOAT32);
  if (args.batch == 0 || args.in_channels == 0) return;
  const int64_t images = s.images_at_once(args.batch, image_bytes);
  void* columns = workspace(std::max<int64_t>(1, images * image_bytes), stream);
  const int64_t output_stride = args.out_channels * s.plane;
  for (int64_t first = 0; first < args.batch; first += images) {
    const int64_t count = std::min(images, args.batch - first);
    for (int64_t group = 0; group < args.groups; ++group) {
      namp_gemm_args g = product_of(s.taps, s.plane, s.out_channels, count, args.dtype);
      g.transpose_a = 1;
      g.a = offset(args.weight, args.dtype, group * s.out_channels * s.taps);
      g.lda = s.taps;
      g.b = offset(args.output_gradient, args.dtype,
                   first * output_stride + group * s.out_channels * s.plane);
      g.ldb = s.plane;
      g.stride_b = output_stride;
      g.c = columns;
      g.c_dtype = NAMP_FLOAT32;
      g.ldc = s.plane;
      g.stride_c = s.taps * s.plane;
      gemm(g, stream);
      launch(cuda::kColumnsToImage, element_blocks(count * s.in_channels * args.in_h * args.in_w),
             columns_of(args, s, args.input_gradient, columns, NAMP_FLOAT32, first, count, group),
             stream);
    }
  }
}

void CudaBackend::conv2d_backward_weights(const namp_conv2d_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const Shape s(args);
  const int64_t weights = s.out_channels * s.taps;
  const int64_t column_bytes = (s.taps * s.plane * dtype_size(args.dtype) + 255) / 256 * 256;
  const int64_t weight_bytes = weights * dtype_size(NAMP_FLOAT32);
  const int64_t images = s.images_at_once(args.batch, column_bytes + weight_bytes);
  const int64_t output_stride = args.out_channels * s.plane;
  // For each group: float32 sums over the images so far, those of the current images, and their
  // columns.
  auto* sums = static_cast<char*>(
      workspace((weight_bytes + 255) / 256 * 256 + images * (weight_bytes + column_bytes), stream));
  char* columns = sums + (weight_bytes + 255) / 256 * 256;
  char* products = columns + images * column_bytes;
  for (int64_t group = 0; group < args.groups; ++group) {
    void* gradient = offset(args.weight_gradient, args.weight_gradient_dtype, group * weights);
    for (int64_t first = 0; first == 0 || first < args.batch; first += images) {
      const int64_t count = std::min(images, args.batch - first);
      launch(cuda::kImageToColumns, element_blocks(count * s.taps * s.plane),
             columns_of(args, s, args.input, columns, args.dtype, first, count, group), stream);
      namp_gemm_args g = product_of(s.out_channels, s.taps, s.plane, count, args.dtype);
      g.transpose_b = 1;
      g.a = offset(args.output_gradient, args.dtype,
                   first * output_stride + group * s.out_channels * s.plane);
      g.lda = s.plane;
      g.stride_a = output_stride;
      g.b = columns;
      g.ldb = s.plane;
      g.stride_b = s.taps * s.plane;
      g.c = products;
      g.c_dtype = NAMP_FLOAT32;
      g.ldc = s.taps;
      g.stride_c = weights;
      if (count > 0) gemm(g, stream);
      const bool last = first + images >= args.batch;
      namp_sum_args sum{};
      sum.struct_size = sizeof(sum);
      sum.in_dtype = NAMP_FLOAT32;
      sum.alpha = 1.0f;
      sum.outer = count;
      sum.channels = weights;
      sum.inner = 1;
      sum.in = products;
      sum.out = sums;
      sum.out_dtype = NAMP_FLOAT32;
      sum.accumulate = first > 0 ? 1 : 0;
      this->sum(sum, stream);
      if (last) {
        cast(cell_of(gradient, args.weight_gradient_dtype), cell_of(sums, NAMP_FLOAT32), weights,
             {}, stream);
      }
    }
  }
  if (args.bias_gradient == nullptr) return;
  namp_sum_args bias{};
  bias.struct_size = sizeof(bias);
  bias.in_dtype = args.dtype;
  bias.in = args.output_gradient;
  bias.out_dtype = args.bias_gradient_dtype;
  bias.out = args.bias_gradient;
  bias.alpha = 1.0f;
  bias.outer = args.batch;
  bias.channels = args.out_channels;
  bias.inner = s.plane;
  sum(bias, stream);
}

}  // namespace namp
