// The weights' gradients of a convolution without a library: products of the gradients of the output
// and columns of the input.
#include <algorithm>
#include <utility>

#include "cpu/block_gemm.h"
#include "cpu/convolution_columns.h"
#include "cpu/cpu_backend.h"
#include "cpu/element.h"

namespace namp {
namespace {

// Channels of the output that are worth another thread: a few tiles.
constexpr int64_t kFewestChannels = 3 * kPairRowGranule;

// Channels whose sums are transposed together: a cache line of them.
constexpr int64_t kTransposed = 16;

// Sums of workers that are added together: they stay in the first-level cache.
constexpr int64_t kAddedTogether = 4096;

}  // namespace

void CpuBackend::conv2d_backward_weights_by_loops(const namp_conv2d_args& args,
                                                  namp_stream stream) {
  if (!convolve_depthwise(args, ConvolutionPass::kBackwardWeights, stream) &&
      !sum_weights_at_once(args, stream)) {
    sum_weights_by_images(args, stream);
  }
  if (args.bias_gradient == nullptr) return;
  sum(sum_of(args.bias_gradient, args.bias_gradient_dtype, args.output_gradient, args.dtype,
             args.batch, args.out_channels, ConvolutionShape(args).positions),
      stream);
}

// Few positions for many weights: one product of the whole batch, which writes the weights' gradients
// where and as they are wanted.
bool CpuBackend::sum_weights_at_once(const namp_conv2d_args& args, namp_stream stream) {
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const Columns source(shape, args.batch);
  if (args.groups > 1 || args.batch == 0 || !source.hold(args.batch)) return false;
  const int64_t depth = args.batch * shape.positions;
  const int64_t gradients_bytes = args.batch > 1 ? align(shape.group_out * depth * 4) : 0;
  const int64_t each = align(kProductScratchBytes);
  char* columns = worker_scratch(
      1, source.bytes() + gradients_bytes + source.planes_bytes() + threads_.count() * each,
      stream);
  char* gradients = columns + source.bytes();
  char* planes = gradients + gradients_bytes;
  char* scratch = planes + source.planes_bytes();
  MatrixView right{};
  source.clear(planes);
  // In order, on one thread: what an image's columns overwrite belongs to those after it.
  for (int64_t image = 0; image < args.batch; ++image) {
    const int64_t at = image * shape.positions;
    right = source.of(simd_, element(args.input, dtype, image * shape.group_in * shape.pixels),
                      dtype, 0, shape.positions, planes, columns, at);
    if (args.batch == 1) continue;
    copy_rows(element(gradients, dtype, at), depth,
              element(args.output_gradient, dtype, at * shape.group_out), shape.positions,
              shape.group_out, shape.positions, dtype);
  }
  std::swap(right.row_stride, right.column_stride);
  const MatrixView left{args.batch > 1 ? gradients : args.output_gradient, dtype, depth, 1};
  const ProductOutput output{args.weight_gradient,
                             static_cast<namp_dtype>(args.weight_gradient_dtype), shape.taps};
  // Every thread gets a piece, where pieces have a few tiles. Sums run only along the positions, which
  // are not cut.
  const int64_t tap_pieces = divide_up(shape.taps, kBlockColumns);
  const int64_t channel_pieces = std::clamp<int64_t>(divide_up(threads_.count(), tap_pieces), 1,
                                                     divide_up(shape.group_out, kFewestChannels));
  const auto channel_of = [&](int64_t piece) {
    const int64_t granules = divide_up(shape.group_out, kPairRowGranule);
    return std::min(shape.group_out, granules * piece / channel_pieces * kPairRowGranule);
  };
  threads_.split(tap_pieces * channel_pieces, [&](int64_t worker, int64_t first, int64_t last) {
    for (int64_t piece = first; piece < last; ++piece) {
      const int64_t tap = piece / channel_pieces * kBlockColumns;
      const int64_t channel = channel_of(piece % channel_pieces);
      block_gemm(simd_, channel_of(piece % channel_pieces + 1) - channel,
                 std::min(kBlockColumns, shape.taps - tap), depth, part_of(left, channel, 0),
                 part_of(right, 0, tap), part_of(output, channel, tap), scratch + worker * each);
    }
  });
  return true;
}

void CpuBackend::sum_weights_by_images(const namp_conv2d_args& args, namp_stream stream) {
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const int64_t threads = threads_.count();
  const Columns source(shape, divide_up(args.batch, threads));
  const int64_t block = source.block();
  const int64_t weights = args.out_channels * shape.taps;
  // Of a worker: its sums, planes, columns, gradients of several images and a product's scratch
  // memory.
  const int64_t sums_bytes = align(weights * 4);
  const int64_t gradients_row = source.images() * shape.positions;
  const int64_t gradients_bytes =
      source.images() > 1 ? align(shape.group_out * gradients_row * 4) : 0;
  const int64_t each = sums_bytes + source.planes_bytes() + source.bytes() + gradients_bytes +
                       align(kProductScratchBytes);
  const int64_t workers = std::max<int64_t>(1, std::min<int64_t>(threads, args.batch));
  const bool rounded = args.weight_gradient_dtype != NAMP_FLOAT32;
  char* scratch = worker_scratch(1, workers * each + (rounded ? sums_bytes : 0), stream);
  const auto sums_of = [&](int64_t worker) {
    return reinterpret_cast<float*>(scratch + worker * each);
  };
  if (args.batch == 0) std::fill_n(sums_of(0), weights, 0.0f);
  // Every worker sums over its images, [taps, channels of the output] in each group: the larger
  // operand, the columns, then lies in memory as a product reads its left side. The sums are added
  // in the order of workers.
  threads_.split(args.batch, [&](int64_t worker, int64_t first, int64_t last) {
    char* planes = scratch + worker * each + sums_bytes;
    char* columns = planes + source.planes_bytes();
    char* gradients = columns + source.bytes();
    char* product = gradients + gradients_bytes;
    source.clear(planes);
    const auto add = [&](int64_t image, int64_t images, int64_t group) {
      const auto part = [&](const void* tensor, int64_t index, int64_t group_size) {
        return element(tensor, dtype, (index * args.groups + group) * group_size);
      };
      ProductOutput output{sums_of(worker) + group * shape.group_out * shape.taps, NAMP_FLOAT32,
                           shape.group_out};
      const int64_t out_size = shape.group_out * shape.positions;
      MatrixView right{part(args.output_gradient, image, out_size), dtype, 1, shape.positions};
      if (images > 1) {
        right = {gradients, dtype, 1, gradients_row};
        for (int64_t i = 0; i < images; ++i) {
          copy_rows(element(gradients, dtype, i * shape.positions), gradients_row,
                    part(args.output_gradient, image + i, out_size), shape.positions,
                    shape.group_out, shape.positions, dtype);
        }
      }
      for (int64_t begin = 0; begin < shape.positions; begin += block) {
        const int64_t count = std::min(block, shape.positions - begin);
        MatrixView left{};
        for (int64_t i = 0; i < images; ++i) {
          left = source.of(simd_, part(args.input, image + i, shape.group_in * shape.pixels), dtype,
                           begin, begin + count, planes, columns, i * count);
        }
        output.beta = image > first || begin > 0 ? 1.0f : 0.0f;
        block_gemm(simd_, shape.taps, shape.group_out, images * count, left,
                   part_of(right, begin, 0), output, product);
      }
    };
    for (int64_t image = first; image < last; image += source.images()) {
      for (int64_t group = 0; group < args.groups; ++group)
        add(image, std::min(source.images(), last - image), group);
    }
  });
  float* const sums = sums_of(0);
  if (workers > 1) {
    threads_.parallel_for(weights, kAddedTogether, [&](int64_t begin, int64_t end) {
      for (int64_t worker = 1; worker < workers; ++worker) {
        const float* from = sums_of(worker);
        for (int64_t i = begin; i < end; ++i)
          sums[i] += from[i];
      }
    });
  }
  // As the weights lie.
  auto* out = rounded ? reinterpret_cast<float*>(scratch + workers * each)
                      : static_cast<float*>(args.weight_gradient);
  const int64_t blocks = divide_up(shape.group_out, kTransposed);
  threads_.parallel_for(args.groups * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const int64_t group = index / blocks * shape.group_out;
      const int64_t channel = index % blocks * kTransposed;
      transpose_floats(simd_, out + (group + channel) * shape.taps, shape.taps,
                       sums + group * shape.taps + channel, shape.group_out, shape.taps,
                       std::min(kTransposed, shape.group_out - channel));
    }
  });
  if (rounded) {
    cast(cell_of(args.weight_gradient, args.weight_gradient_dtype), cell_of(out, NAMP_FLOAT32),
         weights, {}, stream);
  }
}

}  // namespace namp
