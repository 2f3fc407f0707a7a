// Convolution as matrix products: an image's columns times the weights, for as many images at a
// time as the workspace holds. Weight gradients are summed over images in order. A 1x1 kernel needs no
// columns; in half precision tensor cores gather them (gathered_convolution.cpp).
#include <algorithm>

#include "cuda/convolution_shape.h"
#include "cuda/cuda_backend.h"

namespace namp {
namespace {

using Shape = ConvolutionShape;

constexpr int64_t kColumnBytes = 256 << 20;  // of a workspace

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

// Our own products read rows that do not begin at words by elements: copies with channels last cost less.
// cuBLAS loses little where rows begin at half of a word (14 x 14), and much elsewhere (7 x 7).
bool CudaBackend::is_best_in_place(const namp_conv2d_args& args) {
  if (!Shape::is_product(args)) return false;
  const int64_t plane = args.dtype == NAMP_FLOAT32 ? 0 : Shape(args).plane;
  return plane % cuda::kPack == 0 ||
         (plane % (cuda::kPack / 2) == 0 && cublas_.is_there(workspaces()));
}

void CudaBackend::conv2d_forward(const namp_conv2d_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  if (is_depthwise(args)) return depthwise_output(args, stream);
  const Shape s(args);
  if (args.batch == 0 || args.out_channels == 0) return;
  const bool is_product = Shape::is_product(args);
  if (const auto* kernels = is_best_in_place(args) ? nullptr : gathering_kernels(args)) {
    gather_output(*kernels, args, stream);
    return;
  }
  const int64_t image_bytes = is_product ? 0 : s.taps * s.plane * dtype_size(args.dtype);
  const int64_t images = s.images_at_once(args.batch, image_bytes, kColumnBytes);
  void* columns = is_product ? nullptr : workspace(images * image_bytes, stream);
  const int64_t output_stride = args.out_channels * s.plane;
  for (int64_t first = 0; first < args.batch; first += images) {
    const int64_t count = std::min(images, args.batch - first);
    for (int64_t group = 0; group < args.groups; ++group) {
      const cuda::ColumnsArgs c =
          columns_of(args, s, args.input, columns, args.dtype, first, count, group);
      if (!is_product)
        launch(cuda::kImageToColumns, element_blocks(count * s.taps * s.plane), c, stream);
      namp_gemm_args g = product_of(s.out_channels, s.plane, s.taps, count, args.dtype);
      g.a = offset(args.weight, args.dtype, group * s.out_channels * s.taps);
      g.lda = s.taps;
      g.b = is_product ? c.image : columns;
      g.ldb = s.plane;
      g.stride_b = is_product ? c.image_stride : s.taps * s.plane;
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
  if (is_depthwise(args)) return depthwise_input_gradient(args, stream);
  const Shape s(args);
  if (args.batch == 0 || args.in_channels == 0) return;
  const bool is_product = Shape::is_product(args);
  if (const auto* kernels = is_best_in_place(args) ? nullptr : gathering_kernels(args)) {
    gather_input_gradient(*kernels, args, stream);
    return;
  }
  // The columns' gradients stay in float32 until a pixel's are summed.
  const int64_t image_bytes = is_product ? 0 : s.taps * s.plane * dtype_size(NAMP_FLOAT32);
  const int64_t images = s.images_at_once(args.batch, image_bytes, kColumnBytes);
  void* columns = is_product ? nullptr : workspace(images * image_bytes, stream);
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
      const cuda::ColumnsArgs c =
          columns_of(args, s, args.input_gradient, columns, NAMP_FLOAT32, first, count, group);
      g.c = is_product ? c.image : columns;
      g.c_dtype = is_product ? args.dtype : NAMP_FLOAT32;
      g.ldc = s.plane;
      g.stride_c = is_product ? c.image_stride : s.taps * s.plane;
      gemm(g, stream);
      if (is_product) continue;
      launch(cuda::kColumnsToImage, element_blocks(count * s.in_channels * args.in_h * args.in_w),
             c, stream);
    }
  }
}

void CudaBackend::weight_gradient_of_columns(const namp_conv2d_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const Shape s(args);
  const int64_t weights = s.out_channels * s.taps;
  const bool is_product = Shape::is_product(args);
  const int64_t column_bytes =
      is_product ? 0 : (s.taps * s.plane * dtype_size(args.dtype) + 255) / 256 * 256;
  const int64_t weight_bytes = weights * dtype_size(NAMP_FLOAT32);
  const int64_t images = s.images_at_once(args.batch, column_bytes + weight_bytes, kColumnBytes);
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
      const cuda::ColumnsArgs c =
          columns_of(args, s, args.input, columns, args.dtype, first, count, group);
      if (!is_product)
        launch(cuda::kImageToColumns, element_blocks(count * s.taps * s.plane), c, stream);
      namp_gemm_args g = product_of(s.out_channels, s.taps, s.plane, count, args.dtype);
      g.transpose_b = 1;
      g.a = offset(args.output_gradient, args.dtype,
                   first * output_stride + group * s.out_channels * s.plane);
      g.lda = s.plane;
      g.stride_a = output_stride;
      g.b = is_product ? c.image : columns;
      g.ldb = s.plane;
      g.stride_b = is_product ? c.image_stride : s.taps * s.plane;
      g.c = products;
      g.c_dtype = NAMP_FLOAT32;
      g.ldc = s.taps;
      g.stride_c = weights;
      if (count > 0) gemm(g, stream);
      if (is_product && args.groups == 1 && count > 0 && count == args.batch) {
        sum_weight_gradient(args, static_cast<const float*>(g.c), count, s.in_channels, false,
                            stream);
        return;
      }
      const bool last = first + images >= args.batch;
      namp_sum_args more = sum_of(sums, NAMP_FLOAT32, products, NAMP_FLOAT32, count, weights, 1);
      more.accumulate = first > 0 ? 1 : 0;
      sum(more, stream);
      if (last) {
        cast(cell_of(gradient, args.weight_gradient_dtype), cell_of(sums, NAMP_FLOAT32), weights,
             {}, stream);
      }
    }
  }
}

void CudaBackend::conv2d_backward_weights(const namp_conv2d_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const Shape s(args);
  // Images that are their own columns have a product each, whose float32 sums are written and read again.
  // Where those are more bytes than copies with channels last are, the copies are made.
  const bool has_small_sums =
      is_best_in_place(args) &&
      2 * s.out_channels * s.in_channels <= (s.out_channels + s.in_channels) * s.plane;
  if (is_depthwise(args)) {
    depthwise_weight_gradient(args, stream);
  } else if (const auto* kernels = has_small_sums ? nullptr : gathering_kernels(args)) {
    gather_weight_gradient(*kernels, args, stream);
  } else {
    weight_gradient_of_columns(args, stream);
  }
  if (args.bias_gradient == nullptr) return;
  sum(sum_of(args.bias_gradient, args.bias_gradient_dtype, args.output_gradient, args.dtype,
             args.batch, args.out_channels, s.plane),
      stream);
}

}  // namespace namp
