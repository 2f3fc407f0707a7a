// Convolutions in half precision on tensor cores: products that gather their columns while they copy
// them to shared memory. The operands are copied with their channels last before; what is made has
// its channels first, as the call has it. So an image is read and written once, and read again in
// the cache for each tap, where columns in memory are as many times the image as the kernel has taps.
// Images of few channels, such as the first ones of a network, are copied so that a row of taps is a
// window of adjacent elements: padded to whole words, a tap of three channels would be half zeros.
#include <algorithm>

#include "cuda/convolution_copies.h"
#include "cuda/cuda_backend.h"

namespace namp {
namespace {

using Shape = ConvolutionShape;

// Of a multiprocessor, for its four schedulers.
constexpr int64_t kWarpsToFill = 8;

cuda::RowWindows weight_windows_of(const namp_conv2d_args& a) {
  return row_windows(a.weight, a.out_channels, a.in_channels, a.kernel_h, a.kernel_w, 0,
                     window_channels(a) / cuda::kWindowChannels);
}

// Of those whose A is the weight: rows of each product, and taps.
void set_result(cuda::ConvolutionArgs& c, int64_t rows, int64_t kernel_h) {
  namp_gemm_args& g = c.gemm.call;
  g.m = rows;
  g.n = int64_t{c.h.positions(0)} * c.w.positions(0) * c.images;
  g.lda = kernel_h * c.kernel_w * c.channels;
  g.stride_a = rows * g.lda;
  g.ldc = int64_t{c.h.result} * c.w.result;
  g.stride_c = rows * g.ldc;
  g.batch = int64_t{c.h.phases} * c.w.phases * c.groups;
}

// The image's positions, by phases; and the weights of all of them.
cuda::PhaseWeights phase_weights(const namp_conv2d_args& args, const Shape& s) {
  cuda::PhaseWeights p{};
  p.h = input_axis(height_of(args, s));
  p.w = input_axis(width_of(args, s));
  const auto h = axis_of_all_phases(p.h).of[0];
  const auto w = axis_of_all_phases(p.w).of[0];
  p.from = args.weight;
  p.out_channels = static_cast<int32_t>(args.out_channels);
  p.channels = static_cast<int32_t>(args.in_channels);
  p.kernel_h = static_cast<int32_t>(args.kernel_h);
  p.kernel_w = static_cast<int32_t>(args.kernel_w);
  p.top_h = h.origin;
  p.top_w = w.origin;
  p.taps_h = h.taps;
  p.taps_w = w.taps;
  return p;
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
  for (cuda::ChannelsLast* t : {&first, &second}) {
    t->at_once = cuda::pixels_at_once(*t);
    if (t->images == 0) continue;  // there is none
    t->by_plane = cuda::Divider::of(t->plane);
    t->by_width = cuda::Divider::of(t->width);
    t->by_word_tiles = cuda::Divider::of(cuda::blocks(t->words(), cuda::kChannelsLastWords));
  }
  launch(cuda::kChannelsLast, channels_last_tasks(first) + channels_last_tasks(second),
         {{first, second}}, stream);
}
void CudaBackend::launch_copies(cuda::RowWindows first, cuda::RowWindows second,
                                namp_stream stream) {
  for (cuda::RowWindows* t : {&first, &second}) {
    if (t->words() == 0) continue;
    t->by_row_words = cuda::Divider::of(t->pixels / 2);
    t->by_height = cuda::Divider::of(t->height);
  }
  launch(cuda::kRowWindows, cuda::blocks(first.words() + second.words(), cuda::kElementThreads),
         {{first, second}}, stream);
}

// The multiprocessor with most tiles decides; with fewer than two warps a scheduler it waits for each
// instruction.
void CudaBackend::launch_gathered(std::span<const cuda::ConvolutionKernel> kernels,
                                  const cuda::ConvolutionArgs& args, namp_stream stream) {
  const namp_gemm_args& call = args.gemm.call;
  const auto tiles = [&](const cuda::ConvolutionKernel& kernel) {
    return call.batch * cuda::blocks(call.m, kernel.rows) * cuda::blocks(call.n, kernel.columns);
  };
  const auto cost = [&](const cuda::ConvolutionKernel& kernel) {
    const int64_t most = cuda::blocks(tiles(kernel), launcher_.multiprocessors());
    const int64_t warps = std::max<int64_t>(most * kernel.kernel.threads / 32, kWarpsToFill);
    return static_cast<double>(warps * 32 / kernel.kernel.threads * kernel.rows * kernel.columns) *
           kernel.cost;
  };
  const cuda::ConvolutionKernel& best =
      *std::min_element(kernels.begin(), kernels.end(),
                        [&](const auto& a, const auto& b) { return cost(a) < cost(b); });
  cuda::ConvolutionArgs own = args;
  own.gemm.is_plain = cuda::has_plain_result(call) ? 1 : 0;
  own.gemm.tiles = cuda::TileGrid::of(call.m, call.n, best.rows, best.columns);
  set_dividers(own);
  launch(best.kernel, tiles(best), own, stream);
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
    set_result(c, s.out_channels, args.kernel_h);
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

// A kernel of one tap with a stride reads some of the image's positions. The gradient of those is made as one
// of an image without the others, and spread, so that memory is written in whole words. False where they
// are not every second one of a row.
bool CudaBackend::spread_input_gradient(const namp_conv2d_args& args, namp_stream stream) {
  const Shape s(args);
  if (!is_one_tap(args) || args.stride_w != 2 || args.in_w != 2 * s.out_w) return false;
  const int64_t planes = args.batch * args.in_channels;
  const auto is_of_words = [&](int64_t elements) {
    return cuda::address(args.input_gradient) % (elements * 2) == 0 && args.in_w % elements == 0;
  };
  if (planes * args.in_h * s.out_w >= INT32_MAX || !is_of_words(2)) return false;
  namp_conv2d_args dense = args;
  dense.in_h = s.out_h;
  dense.in_w = s.out_w;
  dense.stride_h = dense.stride_w = 1;
  dense.input_gradient = workspaces().reserve(planes * s.plane * dtype_size(args.dtype), stream,
                                              Workspace::User::kDense);
  conv2d_backward_data(dense, stream);
  const int64_t together = is_of_words(8) ? 8 : is_of_words(4) ? 4 : 2;
  const cuda::SpreadArgs spread{dense.input_gradient,
                                args.input_gradient,
                                planes,
                                static_cast<int32_t>(s.out_h),
                                static_cast<int32_t>(s.out_w),
                                static_cast<int32_t>(args.in_h),
                                static_cast<int32_t>(args.stride_h),
                                static_cast<int32_t>(together),
                                cuda::Divider::of(args.in_w / together),
                                cuda::Divider::of(args.in_h),
                                cuda::Divider::of(args.stride_h)};
  launch(cuda::kSpread,
         cuda::blocks(planes * args.in_h * args.in_w / together, cuda::kElementThreads), spread,
         stream);
  return true;
}

void CudaBackend::gather_input_gradient(const cuda::TensorConvolutions& kernels,
                                        const namp_conv2d_args& args, namp_stream stream) {
  const Shape s(args);
  if (spread_input_gradient(args, stream)) return;
  auto weight = channels_last(args.weight, nullptr, args.groups, 1, s.out_channels, s.taps);
  const bool rows_of_phases = has_rows_of_phases(args);
  const cuda::PhaseWeights phases = phase_weights(args, s);
  auto image = gathered_image(args.groups, s.out_channels, s.plane);
  const int64_t weight_bytes = rows_of_phases
                                   ? align(phases.words() * int64_t{sizeof(uint16_t)} * cuda::kPack)
                                   : bytes_of(weight);
  const int64_t images = s.images_at_once(args.batch, bytes_of(image), kCopyBytes);
  auto* memory = static_cast<char*>(workspace(weight_bytes + images * bytes_of(image), stream));
  weight.to = memory;
  image.to = memory + weight_bytes;
  if (rows_of_phases) {
    cuda::PhaseWeights call = phases;
    call.to = memory;
    launch(cuda::kPhaseWeights, cuda::blocks(call.words(), cuda::kElementThreads), call, stream);
    weight.images = 0;
  }
  for (int64_t first = 0; first < args.batch; first += images) {
    image.images = std::min(images, args.batch - first);
    image.from = offset(args.output_gradient, args.dtype, first * args.out_channels * s.plane);
    launch_copies(image, weight, stream);
    weight.images = 0;
    cuda::ConvolutionArgs c = products_of(args, phases.h, phases.w, s.out_channels, image.images);
    if (rows_of_phases) {
      c.h = axis_of_all_phases(phases.h);
      c.w = axis_of_all_phases(phases.w);
      c.kernel_w = phases.taps_w;
      c.phases_of_rows = phases.h.phases * phases.w.phases;
    }
    set_result(c, s.in_channels * c.phases_of_rows, rows_of_phases ? phases.taps_h : args.kernel_h);
    namp_gemm_args& g = c.gemm.call;
    g.ldc = args.in_h * args.in_w;
    g.stride_c = s.in_channels * g.ldc;
    g.a = memory;
    g.b = image.to;
    g.c = offset(args.input_gradient, args.dtype, first * args.in_channels * args.in_h * args.in_w);
    launch_gathered(kernels.result, c, stream);
  }
}

}  // namespace namp
