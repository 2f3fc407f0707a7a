// Convolution of groups of one channel, in and out (depthwise), as networks for small machines have
// it, without a library. Such a group fills no tile of a product: it has few terms for each output.
// They are summed row by row from planes (plane_plan.h), in float32.
#include <algorithm>

#include "cpu/column_sums.h"
#include "cpu/convolution.h"
#include "cpu/cpu_backend.h"
#include "cpu/depthwise.h"
#include "cpu/depthwise_lanes.h"
#include "cpu/depthwise_planes.h"
#include "cpu/element.h"
#include "hwy/cache_control.h"

namespace namp {
namespace {

int64_t planes_bytes(const DepthwisePlanes& planes) {
  return align(planes.channels_at_once * planes.plan.plane_units() * 4);
}

void clear_channels(const DepthwisePlanes& planes, float* memory) {
  std::fill_n(memory, planes.channels_at_once * planes.plan.plane_units(), 0.0f);
}

// Scratch memory of one worker: the weights of some channels in the order of the runs, and the rest.
struct WorkerMemory {
  explicit WorkerMemory(const DepthwisePlanes& all)
      : weights_bytes(align(all.channels_at_once * static_cast<int64_t>(all.plan.runs.size()) * 4)),
        sums(all.plan.shape.width.written_phases() * kDepthwiseUnits),
        bytes(weights_bytes + planes_bytes(all) + align((sums + all.plan.line_units()) * 4)),
        planes(planes_bytes(all)) {}

  DepthwiseScratch at(char* memory) const {
    auto* of_planes = reinterpret_cast<float*>(memory + weights_bytes);
    auto* of_sums = reinterpret_cast<float*>(memory + weights_bytes + planes);
    return {of_planes, of_sums, of_sums + sums};
  }

  int64_t weights_bytes;
  int64_t sums;
  int64_t bytes;
  int64_t planes;
};

// Calls body(item, count) for items first to last, which are channels of images: some of one image at
// a time.
template <class Body>
void for_channels(int64_t first, int64_t last, int64_t channels, int64_t at_once, Body&& body) {
  for (int64_t item = first; item < last;) {
    const int64_t count = std::min({at_once, last - item, channels - item % channels});
    body(item, count);
    item += count;
  }
}

}  // namespace

bool CpuBackend::convolve_depthwise(const namp_conv2d_args& args, ConvolutionPass pass,
                                    namp_stream stream) {
  const ConvolutionShape shape(args);
  if (shape.group_in != 1 || shape.group_out != 1) return false;
  if (DepthwiseLanes::fit(shape, args.groups, pass)) {
    convolve_by_lanes(args, pass, stream);
    return true;
  }
  const bool backward = pass == ConvolutionPass::kBackwardData;
  const DepthwisePlanes planes(backward ? planes_of_output_gradient(shape)
                                        : planes_of_input(shape));
  const PlanePlan& plan = planes.plan;
  if (!plan.fits_caches()) return false;
  if (pass == ConvolutionPass::kBackwardWeights) {
    sum_depthwise_weights(args, planes, stream);
    return true;
  }
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const auto runs = static_cast<int64_t>(plan.runs.size());
  const int64_t weights = args.groups * shape.taps;
  const int64_t wide_bytes = dtype == NAMP_FLOAT32 ? 0 : align(weights * 4);
  const WorkerMemory memory(planes);
  char* scratch = worker_scratch(1, wide_bytes + threads_.count() * memory.bytes, stream);
  const auto* wide = static_cast<const float*>(args.weight);
  if (wide_bytes > 0) {
    wide = reinterpret_cast<const float*>(scratch);
    cast(cell_of(scratch, NAMP_FLOAT32), cell_of(args.weight, dtype), weights, {}, stream);
  }
  const int64_t inputs = plan.shape.height.in * plan.shape.width.in;
  const int64_t outputs = plan.shape.height.out * plan.shape.width.out;
  const ProductOutput all = convolution_output(args, backward, outputs);
  const void* input = backward ? args.output_gradient : args.input;
  threads_.split(args.batch * args.groups, [&](int64_t worker, int64_t first, int64_t last) {
    char* mine = scratch + wide_bytes + worker * memory.bytes;
    auto* of_runs = reinterpret_cast<float*>(mine);
    const DepthwiseScratch rest = memory.at(mine);
    clear_channels(planes, rest.planes);
    for_channels(first, last, args.groups, planes.channels_at_once,
                 [&](int64_t item, int64_t count) {
                   const int64_t channel = item % args.groups;
                   for (int64_t i = 0; i < count; ++i) {
                     for (int64_t run = 0; run < runs; ++run) {
                       of_runs[i * runs + run] = wide[(channel + i) * shape.taps + planes.tap(run)];
                     }
                   }
                   ProductOutput output = all;
                   output.c = element(all.c, dtype, item * outputs);
                   if (all.bias != nullptr) output.bias = element(all.bias, dtype, channel);
                   convolve_channels(simd_, planes, count, of_runs,
                                     element(input, dtype, item * inputs), output, rest);
                 });
    hwy::FlushStream();
  });
  return true;
}

// The batch is cut into pieces by its size alone, so that the bits do not depend on threads.
void CpuBackend::sum_depthwise_weights(const namp_conv2d_args& args, const DepthwisePlanes& planes,
                                       namp_stream stream) {
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const int64_t weights = args.groups * shape.taps;
  const int64_t images = std::max<int64_t>(1, divide_up(args.batch, kDepthwisePieces));
  const int64_t pieces = std::max<int64_t>(1, divide_up(args.batch, images));
  const int64_t sums_bytes = align(pieces * weights * 4);
  const int64_t each = planes_bytes(planes);
  char* scratch = worker_scratch(1, sums_bytes + threads_.count() * each, stream);
  auto* sums = reinterpret_cast<float*>(scratch);
  threads_.split(pieces * args.groups, [&](int64_t worker, int64_t first, int64_t last) {
    auto* mine = reinterpret_cast<float*>(scratch + sums_bytes + worker * each);
    clear_channels(planes, mine);
    std::fill(sums + first * shape.taps, sums + last * shape.taps, 0.0f);
    for_channels(
        first, last, args.groups, planes.channels_at_once, [&](int64_t item, int64_t count) {
          const int64_t begin = item / args.groups * images;
          for (int64_t image = begin; image < std::min(args.batch, begin + images); ++image) {
            const int64_t index = image * args.groups + item % args.groups;
            sum_channel_weights(simd_, planes, count,
                                element(args.input, dtype, index * shape.pixels),
                                element(args.output_gradient, dtype, index * shape.positions),
                                dtype, sums + item * shape.taps, mine);
          }
        });
  });
  add_blocks(threads_, simd_, sums, pieces, weights);
  cast(cell_of(args.weight_gradient, args.weight_gradient_dtype), cell_of(sums, NAMP_FLOAT32),
       weights, {}, stream);
}

}  // namespace namp
