// Convolutions in half precision on tensor cores: products that gather their columns while they copy
// them to shared memory. The operands are copied with their channels last before; what is made has
// its channels first, as the call has it. So an image is read and written once, and read again in
// the cache for each tap, where columns in memory are as many times the image as the kernel has taps.
#include <algorithm>

#include "cuda/cuda_backend.h"
#include "cuda/gather_axes.h"

namespace namp {
namespace {

using Shape = ConvolutionShape;

// Of images that are copied at a time: few enough that they are still in the second-level cache of a large
// GPU (40 MB in an A100, 50 MB in an H100) when they are multiplied, and enough for many tiles.
constexpr int64_t kCopyBytes = 32 << 20;
// A gradient of a weight is few tiles and a long k: the parts that its sums may have, unless the images
// alone are more.
constexpr int64_t kMostWeightParts = 64;

int64_t align(int64_t bytes) { return cuda::blocks(bytes, 256) * 256; }

// [images, groups, channels, plane] with channels last.
cuda::ChannelsLast channels_last(const void* from, void* to, int64_t images, int64_t groups,
                                 int64_t channels, int64_t plane) {
  const auto all = static_cast<int32_t>(plane);
  return {from,
          to,
          images,
          plane,
          plane,
          1,
          all,
          all,
          static_cast<int32_t>(groups),
          static_cast<int32_t>(channels)};
}
int64_t bytes_of(const cuda::ChannelsLast& t) {
  return align(t.images * t.plane * t.words() * int64_t{sizeof(uint16_t)} * cuda::kPack);
}

// The call as its products see it. A kernel of one tap reads no more of an image than every stride-th
// position: where there is no padding, the others are not copied.
struct Gathered {
  Direction h, w;
  cuda::ChannelsLast image;  // one

  Gathered(const namp_conv2d_args& a, const Shape& s)
      : h(height_of(a, s)),
        w(width_of(a, s)),
        image(channels_last(nullptr, nullptr, 1, a.groups, s.in_channels, a.in_h * a.in_w)) {
    if (a.kernel_h * a.kernel_w > 1 || a.pad_h > 0 || a.pad_w > 0) return;
    image.plane = static_cast<int32_t>(s.plane);
    image.width = static_cast<int32_t>(s.out_w);
    image.row_step = a.in_w * a.stride_h;
    image.step = a.stride_w;
    h = {s.out_h, s.out_h, 1, 1, 0, 1};
    w = {s.out_w, s.out_w, 1, 1, 0, 1};
  }
};

// The products of some images: sums and what follows them are still to be given.
cuda::ConvolutionArgs products_of(const namp_conv2d_args& args, const cuda::GatherAxis& h,
                                  const cuda::GatherAxis& w, int64_t channels, int64_t images) {
  cuda::ConvolutionArgs c{};
  c.gemm.call.alpha = 1.0f;
  c.gemm.call.c_dtype = args.dtype;
  c.h = h;
  c.w = w;
  c.groups = static_cast<int32_t>(args.groups);
  c.channels = static_cast<int32_t>(padded(channels));
  c.images = static_cast<int32_t>(images);
  c.kernel_w = static_cast<int32_t>(args.kernel_w);
  return c;
}
// Of those whose A is the weight: rows of each product.
void set_result(cuda::ConvolutionArgs& c, const namp_conv2d_args& args, int64_t rows) {
  namp_gemm_args& g = c.gemm.call;
  g.m = rows;
  g.n = int64_t{c.h.positions(0)} * c.w.positions(0);
  g.lda = args.kernel_h * args.kernel_w * c.channels;
  g.stride_a = rows * g.lda;
  g.ldc = int64_t{c.h.result} * c.w.result;
  g.stride_c = rows * g.ldc;
  g.batch = int64_t{c.h.phases} * c.w.phases * c.images * c.groups;
}

}  // namespace

const cuda::TensorConvolutions* CudaBackend::gathering_kernels(const namp_conv2d_args& args) const {
  const bool is_float16 = args.dtype == NAMP_FLOAT16;
  if (args.dtype == NAMP_FLOAT32 || !can_gather(args)) return nullptr;
  if (capability_ < cuda::kTensorCapability && !is_float16) return nullptr;
  if (!is_float16) return &cuda::kConvolutionBFloat16;
  return capability_ >= cuda::kTensorCapability ? &cuda::kConvolutionFloat16
                                                : &cuda::kConvolutionTuringFloat16;
}

// Large tiles where there are enough of them, and where their edges are not much more work.
void CudaBackend::launch_gathered(const cuda::ConvolutionKernels& kernels,
                                  const cuda::ConvolutionArgs& args, namp_stream stream) {
  const namp_gemm_args& call = args.gemm.call;
  const auto tiles = [&](int64_t tile) {
    return call.batch * cuda::blocks(call.m, tile) * cuda::blocks(call.n, tile);
  };
  const int64_t area =
      (cuda::kWideTile / cuda::kNarrowTile) * (cuda::kWideTile / cuda::kNarrowTile);
  const bool wide = tiles(cuda::kWideTile) >= launcher_.multiprocessors() &&
                    tiles(cuda::kWideTile) * area * 4 <= tiles(cuda::kNarrowTile) * 5;
  const cuda::ConvolutionKernel& kernel = wide ? kernels.wide : kernels.narrow;
  launch(kernel.kernel, tiles(kernel.tile), args, stream);
}

void CudaBackend::gather_output(const cuda::TensorConvolutions& kernels,
                                const namp_conv2d_args& args, namp_stream stream) {
  const Shape s(args);
  auto weight = channels_last(args.weight, nullptr, args.out_channels, 1, s.in_channels,
                              args.kernel_h * args.kernel_w);
  const Gathered call(args, s);
  cuda::ChannelsLast image = call.image;
  const int64_t images = s.images_at_once(args.batch, bytes_of(image), kCopyBytes);
  auto* memory = static_cast<char*>(workspace(bytes_of(weight) + images * bytes_of(image), stream));
  weight.to = memory;
  image.to = memory + bytes_of(weight);
  if (weight.plane == 1 && s.in_channels % cuda::kPack == 0 &&
      cuda::address(args.weight) % 16 == 0) {
    weight.to = const_cast<void*>(args.weight);  // which has its channels last
    weight.images = 0;
  }
  for (int64_t first = 0; first < args.batch; first += images) {
    image.images = std::min(images, args.batch - first);
    image.from = offset(args.input, args.dtype, first * args.in_channels * image.from_plane);
    launch(cuda::kChannelsLast, channels_last_tasks(image) + channels_last_tasks(weight),
           {{image, weight}}, stream);
    weight.images = 0;  // it is there
    cuda::ConvolutionArgs c =
        products_of(args, output_axis(call.h), output_axis(call.w), s.in_channels, image.images);
    set_result(c, args, s.out_channels);
    c.gemm.bias_by_row = 1;
    namp_gemm_args& g = c.gemm.call;
    g.a = weight.to;
    g.b = image.to;
    g.c = offset(args.output, args.dtype, first * args.out_channels * s.plane);
    g.bias = args.bias;
    g.bias_dtype = args.dtype;
    g.activation = args.activation;
    launch_gathered(kernels.result, c, stream);
  }
}

void CudaBackend::gather_input_gradient(const cuda::TensorConvolutions& kernels,
                                        const namp_conv2d_args& args, namp_stream stream) {
  const Shape s(args);
  auto weight = channels_last(args.weight, nullptr, args.groups, 1, s.out_channels, s.taps);
  auto image = channels_last(nullptr, nullptr, 1, args.groups, s.out_channels, s.plane);
  const int64_t images = s.images_at_once(args.batch, bytes_of(image), kCopyBytes);
  auto* memory = static_cast<char*>(workspace(bytes_of(weight) + images * bytes_of(image), stream));
  weight.to = memory;
  image.to = memory + bytes_of(weight);
  for (int64_t first = 0; first < args.batch; first += images) {
    image.images = std::min(images, args.batch - first);
    image.from = offset(args.output_gradient, args.dtype, first * args.out_channels * s.plane);
    launch(cuda::kChannelsLast, channels_last_tasks(image) + channels_last_tasks(weight),
           {{image, weight}}, stream);
    weight.images = 0;
    cuda::ConvolutionArgs c =
        products_of(args, input_axis(height_of(args, s)), input_axis(width_of(args, s)),
                    s.out_channels, image.images);
    set_result(c, args, s.in_channels);
    namp_gemm_args& g = c.gemm.call;
    g.a = weight.to;
    g.b = image.to;
    g.c = offset(args.input_gradient, args.dtype, first * args.in_channels * args.in_h * args.in_w);
    launch_gathered(kernels.result, c, stream);
  }
}

void CudaBackend::gather_weight_gradient(const cuda::TensorConvolutions& kernels,
                                         const namp_conv2d_args& args, namp_stream stream) {
  const Shape s(args);
  auto gradient = channels_last(nullptr, nullptr, 1, args.groups, s.out_channels, s.plane);
  const Gathered call(args, s);
  cuda::ChannelsLast image = call.image;
  const int64_t images =
      s.images_at_once(args.batch, bytes_of(gradient) + bytes_of(image), kCopyBytes);
  cuda::ConvolutionArgs c =
      products_of(args, output_axis(call.h), output_axis(call.w), s.in_channels, images);
  namp_gemm_args& g = c.gemm.call;
  g.c_dtype = NAMP_FLOAT32;
  g.m = s.out_channels;
  g.n = args.kernel_h * args.kernel_w * c.channels;
  g.stride_a = padded(s.out_channels);
  g.lda = args.groups * g.stride_a;
  g.ldc = g.n;
  g.stride_c = g.m * g.n;
  c.walk = cuda::Walk::of(cuda::kWalk, s.out_h, s.out_w);
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
    image.from = offset(args.input, args.dtype, first * args.in_channels * image.from_plane);
    launch(cuda::kChannelsLast, channels_last_tasks(gradient) + channels_last_tasks(image),
           {{gradient, image}}, stream);
    const int64_t here = cut(count);
    g.batch = here * args.groups;
    launch_gathered(kernels.weight, c, stream);
    g.c = static_cast<char*>(g.c) + here * sum_bytes;
  }
  sum_weight_gradient(args, reinterpret_cast<const float*>(memory), parts, c.channels, stream);
}

void CudaBackend::sum_weight_gradient(const namp_conv2d_args& args, const float* sums,
                                      int64_t parts, int64_t padded_channels, namp_stream stream) {
  const Shape s(args);
  cuda::ConvolutionWeightArgs sum{};
  sum.sums = sums;
  sum.weight = args.weight_gradient;
  sum.dtype = args.weight_gradient_dtype;
  sum.channels = static_cast<int32_t>(s.in_channels);
  sum.padded = static_cast<int32_t>(padded_channels);
  sum.taps = static_cast<int32_t>(args.kernel_h * args.kernel_w);
  sum.rows = args.out_channels;
  sum.parts = parts;
  launch(cuda::kConvolutionWeight, cuda::blocks(args.out_channels * s.taps, cuda::kElementThreads),
         sum, stream);
}

}  // namespace namp
