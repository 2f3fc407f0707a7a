// Convolutions in half precision on tensor cores: products that gather their columns while they copy
// them to shared memory. The operands are copied with their channels last before; what is made has
// its channels first, as the call has it. So an image is read and written once, and read again in
// the cache for each tap, where columns in memory are as many times the image as the kernel has taps.
// Images of few channels, such as the first ones of a network, are copied so that a row of taps is a
// window of adjacent elements: padded to whole words, a tap of three channels would be half zeros.
#include <algorithm>
#include <iterator>
#include <type_traits>

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
constexpr int64_t kMostWeightParts = 256;

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
          static_cast<int32_t>(channels),
          1};
}
// [images, channels, height, width] with a row's pixels adjacent.
cuda::RowWindows row_windows(const void* from, int64_t images, int64_t channels, int64_t height,
                             int64_t width, int64_t left, int64_t pixels) {
  return {from,
          nullptr,
          images,
          static_cast<int32_t>(channels),
          static_cast<int32_t>(height),
          static_cast<int32_t>(width),
          static_cast<int32_t>(left),
          static_cast<int32_t>(pixels)};
}
int64_t bytes_of(const cuda::ChannelsLast& t) {
  return align(t.images * t.plane * t.words() * int64_t{sizeof(uint16_t)} * cuda::kPack);
}
int64_t bytes_of(const cuda::RowWindows& t) {
  return align(t.words() * int64_t{sizeof(uint16_t)} * cuda::kPack);
}
// Elements from one image to the next.
int64_t image_stride(const cuda::ChannelsLast& t) { return t.groups * t.channels * t.from_plane; }
int64_t image_stride(const cuda::RowWindows& t) { return int64_t{t.channels} * t.height * t.width; }

// Whether a kernel of one tap reads an image's positions without padding: then it reads no more than
// every stride-th position, and the others are not copied.
bool is_one_tap(const namp_conv2d_args& a) {
  return a.kernel_h * a.kernel_w == 1 && a.pad_h == 0 && a.pad_w == 0;
}
cuda::ChannelsLast image_of(const namp_conv2d_args& a, const Shape& s) {
  auto image = channels_last(nullptr, nullptr, 1, a.groups, s.in_channels, a.in_h * a.in_w);
  if (!is_one_tap(a)) return image;
  image.plane = static_cast<int32_t>(s.plane);
  image.width = static_cast<int32_t>(s.out_w);
  image.row_step = a.in_w * a.stride_h;
  image.step = a.stride_w;
  return image;
}
cuda::RowWindows windows_of(const namp_conv2d_args& a, const Shape& s) {
  return row_windows(nullptr, 1, a.in_channels, a.in_h, a.in_w, a.pad_w, window_pixels(a, s));
}
cuda::RowWindows weight_windows_of(const namp_conv2d_args& a) {
  return row_windows(a.weight, a.out_channels, a.in_channels, a.kernel_h, a.kernel_w, 0,
                     window_channels(a) / cuda::kWindowChannels);
}

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
  c.pitch = c.groups * c.channels;
  c.images = static_cast<int32_t>(images);
  c.kernel_w = static_cast<int32_t>(args.kernel_w);
  return c;
}
// Of the output's positions, from images that are copied so.
cuda::ConvolutionArgs output_products_of(const namp_conv2d_args& args, const Shape& s,
                                         const cuda::ChannelsLast&, int64_t images) {
  if (is_one_tap(args)) {
    return products_of(args, output_axis({s.out_h, s.out_h, 1, 1, 0, 1}),
                       output_axis({s.out_w, s.out_w, 1, 1, 0, 1}), s.in_channels, images);
  }
  return products_of(args, output_axis(height_of(args, s)), output_axis(width_of(args, s)),
                     s.in_channels, images);
}
cuda::ConvolutionArgs output_products_of(const namp_conv2d_args& args, const Shape& s,
                                         const cuda::RowWindows& image, int64_t images) {
  cuda::ConvolutionArgs c = products_of(
      args, output_axis(height_of(args, s)),
      output_axis({image.pixels, s.out_w, 1, args.stride_w, 0, 1}), window_channels(args), images);
  c.pitch = cuda::kWindowChannels;
  c.kernel_w = 1;
  return c;
}
// Of those whose A is the weight: rows of each product, and taps.
void set_result(cuda::ConvolutionArgs& c, const namp_conv2d_args& args, int64_t rows) {
  namp_gemm_args& g = c.gemm.call;
  g.m = rows;
  g.n = int64_t{c.h.positions(0)} * c.w.positions(0) * c.images;
  g.lda = args.kernel_h * c.kernel_w * c.channels;
  g.stride_a = rows * g.lda;
  g.ldc = int64_t{c.h.result} * c.w.result;
  g.stride_c = rows * g.ldc;
  g.batch = int64_t{c.h.phases} * c.w.phases * c.groups;
}

}  // namespace

int32_t cuda::pixels_at_once(const ChannelsLast& t) {
  if (t.step < 1 || t.step > 2) return 1;
  for (const int64_t loaded : {8, 4}) {
    const int64_t taken = loaded / t.step;
    if (address(t.from) % (loaded * 2) == 0 && t.from_plane % loaded == 0 &&
        t.row_step % loaded == 0 && t.width % taken == 0)
      return static_cast<int32_t>(taken);
  }
  return 1;
}

const cuda::TensorConvolutions* CudaBackend::gathering_kernels(const namp_conv2d_args& args) const {
  const bool is_float16 = args.dtype == NAMP_FLOAT16;
  if (args.dtype == NAMP_FLOAT32 || !can_gather(args)) return nullptr;
  if (capability_ < cuda::kTensorCapability && !is_float16) return nullptr;
  if (!is_float16) return &cuda::kConvolutionBFloat16;
  return capability_ >= cuda::kTensorCapability ? &cuda::kConvolutionFloat16
                                                : &cuda::kConvolutionTuringFloat16;
}

void CudaBackend::launch_copies(cuda::ChannelsLast first, cuda::ChannelsLast second,
                                namp_stream stream) {
  first.at_once = cuda::pixels_at_once(first);
  second.at_once = cuda::pixels_at_once(second);
  launch(cuda::kChannelsLast, channels_last_tasks(first) + channels_last_tasks(second),
         {{first, second}}, stream);
}
void CudaBackend::launch_copies(const cuda::RowWindows& first, const cuda::RowWindows& second,
                                namp_stream stream) {
  launch(cuda::kRowWindows, cuda::blocks(first.words() + second.words(), cuda::kElementThreads),
         {{first, second}}, stream);
}

// The multiprocessor with most tiles decides.
template <size_t kCount>
void CudaBackend::launch_gathered(const cuda::ConvolutionKernel (&kernels)[kCount],
                                  const cuda::ConvolutionArgs& args, namp_stream stream) {
  const namp_gemm_args& call = args.gemm.call;
  const auto tiles = [&](const cuda::ConvolutionKernel& kernel) {
    return call.batch * cuda::blocks(call.m, kernel.rows) * cuda::blocks(call.n, kernel.columns);
  };
  const auto cost = [&](const cuda::ConvolutionKernel& kernel) {
    return static_cast<double>(cuda::blocks(tiles(kernel), launcher_.multiprocessors()) *
                               kernel.rows * kernel.columns) *
           kernel.cost;
  };
  const cuda::ConvolutionKernel& best =
      *std::min_element(std::begin(kernels), std::end(kernels),
                        [&](const auto& a, const auto& b) { return cost(a) < cost(b); });
  launch(best.kernel, tiles(best), args, stream);
}

void CudaBackend::gather_output(const cuda::TensorConvolutions& kernels,
                                const namp_conv2d_args& args, namp_stream stream) {
  const Shape s(args);
  if (has_windows(args, s)) {
    gather_output_of(kernels, args, windows_of(args, s), weight_windows_of(args), stream);
    return;
  }
  gather_output_of(kernels, args, image_of(args, s),
                   channels_last(args.weight, nullptr, args.out_channels, 1, s.in_channels,
                                 args.kernel_h * args.kernel_w),
                   stream);
}

template <class Copy>
void CudaBackend::gather_output_of(const cuda::TensorConvolutions& kernels,
                                   const namp_conv2d_args& args, Copy image, Copy weight,
                                   namp_stream stream) {
  const Shape s(args);
  const int64_t images = s.images_at_once(args.batch, bytes_of(image), kCopyBytes);
  auto* memory = static_cast<char*>(workspace(bytes_of(weight) + images * bytes_of(image), stream));
  weight.to = memory;
  image.to = memory + bytes_of(weight);
  if (args.kernel_h * args.kernel_w == 1 && s.in_channels % cuda::kPack == 0 &&
      cuda::address(args.weight) % 16 == 0) {
    weight.to = const_cast<void*>(args.weight);  // which has its channels last
    weight.images = 0;
  }
  for (int64_t first = 0; first < args.batch; first += images) {
    image.images = std::min(images, args.batch - first);
    image.from = offset(args.input, args.dtype, first * image_stride(image));
    launch_copies(image, weight, stream);
    weight.images = 0;  // it is there
    cuda::ConvolutionArgs c = output_products_of(args, s, image, image.images);
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
    launch_copies(image, weight, stream);
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
  launch(cuda::kConvolutionWeight, cuda::blocks(args.out_channels * s.taps, cuda::kElementThreads),
         sum, stream);
}

}  // namespace namp
