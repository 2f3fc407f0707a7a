// The gradients of a convolution's weights in half precision, on tensor cores: sums over the positions of all
// images, in parts that a second kernel adds in their order.
#include <algorithm>
#include <type_traits>

#include "cuda/convolution_copies.h"
#include "cuda/cuda_backend.h"

namespace namp {
namespace {

using Shape = ConvolutionShape;

// A gradient of a weight is few tiles and a long k: the parts that its sums may have, unless the images
// alone are more.
constexpr int64_t kMostWeightParts = 256;

}  // namespace

void CudaBackend::gather_weight_gradient(const cuda::TensorConvolutions& kernels,
                                         const namp_conv2d_args& args, namp_stream stream) {
  const Shape s(args);
  if (has_windows(args, s)) {
    gather_weight_gradient_of(kernels, args, windows_of(args, s), stream);
  } else if (!multiply_positions(args, stream)) {
    gather_weight_gradient_of(kernels, args, image_of(args, s), stream);
  }
}

// With a kernel of one tap the copies are matrices of all images' positions, and the gradient is one product
// of them.
bool CudaBackend::multiply_positions(const namp_conv2d_args& args, namp_stream stream) {
  const Shape s(args);
  if (!is_one_tap(args) || args.groups != 1 || args.in_channels % cuda::kPack != 0) return false;
  cuda::ChannelsLast image = image_of(args, s);
  auto gradient =
      channels_last(args.output_gradient, nullptr, args.batch, 1, args.out_channels, s.plane);
  image.images = args.batch;
  image.from = args.input;
  const int64_t bytes = bytes_of(gradient) + bytes_of(image);
  if (bytes > 2 * kCopyBytes) return false;
  auto* memory = static_cast<char*>(workspace(bytes, stream));
  gradient.to = memory;
  image.to = memory + bytes_of(gradient);
  launch_copies(gradient, image, stream);
  namp_gemm_args g{};
  g.struct_size = sizeof(g);
  g.a_dtype = g.b_dtype = args.dtype;
  g.c_dtype = args.weight_gradient_dtype;
  g.m = args.out_channels;
  g.n = g.ldb = g.ldc = args.in_channels;
  g.k = args.batch * s.plane;
  g.batch = 1;
  g.alpha = 1.0f;
  g.transpose_a = 1;
  g.a = gradient.to;
  g.lda = padded(args.out_channels);
  g.b = image.to;
  g.c = args.weight_gradient;
  cuda::GemmArgs gemm{g, 0};
  gemm.fills_words = 1;  // the copies have zeros there
  multiply(gemm, stream);
  return true;
}

template <class Copy>
void CudaBackend::gather_weight_gradient_of(const cuda::TensorConvolutions& kernels,
                                            const namp_conv2d_args& args, Copy image,
                                            namp_stream stream) {
  const Shape s(args);
  auto gradient = channels_last(nullptr, nullptr, 1, args.groups, s.out_channels, s.plane);
  const int64_t images =
      s.images_at_once(args.batch, bytes_of(gradient) + bytes_of(image), kCopyBytes);
  cuda::ConvolutionArgs c = output_products_of(args, s, image, images);
  namp_gemm_args& g = c.gemm.call;
  g.c_dtype = NAMP_FLOAT32;
  g.m = s.out_channels;
  g.n = args.kernel_h * c.kernel_w * c.channels;
  g.stride_a = padded(s.out_channels);
  g.lda = args.groups * g.stride_a;
  g.ldc = g.n;
  g.stride_c = g.m * g.n;
  c.walk = cuda::PixelWalk::of(cuda::kWalk, c.h, c.w, c.pitch);
  const int64_t tiles =
      args.groups * cuda::blocks(g.m, cuda::kWideTile) * cuda::blocks(g.n, cuda::kWideTile);
  const int64_t chunks = cuda::blocks(args.batch, images);
  // The parts of some images along k.
  const auto cut = [&](int64_t count) {
    c.gemm.whole_k = count * s.plane;
    g.k = cuda::depth_of_parts(
        c.gemm.whole_k, cuda::parts_along_k(tiles, c.gemm.whole_k, kMostWeightParts / chunks));
    return cuda::blocks(c.gemm.whole_k, g.k);
  };
  const int64_t parts = (chunks - 1) * cut(images) + cut(args.batch - (chunks - 1) * images);
  const int64_t sum_bytes = args.groups * g.stride_c * int64_t{sizeof(float)};  // of a part
  auto* memory = static_cast<char*>(workspace(
      align(parts * sum_bytes) + images * (bytes_of(gradient) + bytes_of(image)), stream));
  gradient.to = memory + align(parts * sum_bytes);
  image.to = memory + align(parts * sum_bytes) + images * bytes_of(gradient);
  g.a = gradient.to;
  g.b = image.to;
  g.c = memory;
  for (int64_t first = 0; first < args.batch; first += images) {
    const int64_t count = std::min(images, args.batch - first);
    gradient.images = image.images = count;
    gradient.from = offset(args.output_gradient, args.dtype, first * args.out_channels * s.plane);
    image.from = offset(args.input, args.dtype, first * image_stride(image));
    if constexpr (std::is_same_v<Copy, cuda::ChannelsLast>) {
      launch_copies(gradient, image, stream);
    } else {
      launch_copies(gradient, {}, stream);
      launch_copies(image, {}, stream);
    }
    const int64_t here = cut(count);
    set_images(c, count);
    g.batch = here * args.groups;
    launch_gathered(kernels.weight, c, stream);
    g.c = static_cast<char*>(g.c) + here * sum_bytes;
  }
  sum_weight_gradient(args, reinterpret_cast<const float*>(memory), parts, c.channels,
                      std::is_same_v<Copy, cuda::RowWindows>, stream);
}

void CudaBackend::sum_weight_gradient(const namp_conv2d_args& args, const float* sums,
                                      int64_t parts, int64_t padded_channels, bool of_windows,
                                      namp_stream stream) {
  const Shape s(args);
  cuda::ConvolutionWeightArgs sum{};
  sum.sums = sums;
  sum.weight = args.weight_gradient;
  sum.dtype = args.weight_gradient_dtype;
  sum.channels = static_cast<int32_t>(s.in_channels);
  sum.padded = static_cast<int32_t>(padded_channels);
  sum.taps = static_cast<int32_t>(args.kernel_h * args.kernel_w);
  sum.taps_together = of_windows ? static_cast<int32_t>(args.kernel_w) : 1;
  sum.rows = args.out_channels;
  sum.parts = parts;
  sum.by_channels = cuda::Divider::of(sum.channels);
  sum.by_taps = cuda::Divider::of(sum.taps);
  sum.by_taps_together = cuda::Divider::of(sum.taps_together);
  launch(cuda::kConvolutionWeight, cuda::blocks(args.out_channels * s.taps, cuda::kElementThreads),
         sum, stream);
}

}  // namespace namp
