// Convolution without a library: by planes if they are worth it, else im2col and our own matrix
// products. Any dtype.
#include <algorithm>
#include <cstring>

#include "cpu/block_gemm.h"
#include "cpu/convolution_columns.h"
#include "cpu/convolution_planes.h"
#include "cpu/cpu_backend.h"
#include "dtype.h"

namespace namp {
namespace {

// Positions of a block of columns: the block stays in the second-level cache, or has a few
// positions if there are many taps.
int64_t positions_at_once(const ConvolutionShape& shape) {
  const int64_t fitting = (int64_t{1} << 18) / shape.taps;
  return std::min(shape.positions, std::max<int64_t>(16, fitting));
}

template <class Pointer>
Pointer at(Pointer pointer, int64_t index, namp_dtype dtype) {
  using Byte =
      std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const char, char>;
  return static_cast<Byte*>(pointer) + index * dtype_size(dtype);
}

// Channels whose sums are transposed together: a cache line of them.
constexpr int64_t kTransposed = 16;

// Elements of columns that are gathered at once from several images.
constexpr int64_t kColumnElements = int64_t{1} << 21;

// The columns of a convolution: gathered from planes if they fit, else from the input itself.
class Columns {
 public:
  // Of at most most_images at once.
  Columns(const ConvolutionShape& given, int64_t most_images)
      : shape_(given), plan_(planes_of_input(given), nullptr, 1), by_planes_(plan_.fits()) {
    block_ = positions_at_once(shape_);
    if (by_planes_)
      block_ = std::clamp<int64_t>(block_ / shape_.out_w, 1, plan_.band) * shape_.out_w;
    images_ = 1;
    if (block_ < shape_.positions) return;
    const int64_t filling = kBlockDepth / shape_.positions;
    const int64_t fitting = kColumnElements / (shape_.taps * shape_.positions);
    images_ = std::clamp<int64_t>(std::min(filling, fitting), 1, std::max<int64_t>(1, most_images));
  }

  int64_t block() const { return block_; }    // positions of an image
  int64_t images() const { return images_; }  // more than one if a block is all of an image
  // Elements from one row to the next: whole pairs.
  int64_t row() const { return (images_ * block_ + 1) / 2 * 2 + kColumnsSlack; }
  int64_t planes_bytes() const { return by_planes_ ? align(plan_.plane_units() * 4) : 0; }
  int64_t bytes() const { return align(shape_.taps * row() * 4); }

  // Makes a worker's planes ready for its first image.
  void clear(void* planes) const {
    if (by_planes_) clear_planes(plan_, planes);
  }

  // Positions begin to end of an image, as columns from one on.
  void gather(namp_simd simd, const void* input, namp_dtype dtype, int64_t begin, int64_t end,
              void* planes, void* columns) const {
    if (by_planes_) {
      gather_columns(simd, plan_, input, dtype, begin / shape_.out_w, (end - begin) / shape_.out_w,
                     planes, columns, row());
    } else if (dtype == NAMP_FLOAT32) {
      gather_columns(shape_, static_cast<const float*>(input), begin, end,
                     static_cast<float*>(columns), row());
    } else {
      gather_columns(shape_, static_cast<const uint16_t*>(input), begin, end,
                     static_cast<uint16_t*>(columns), row());
    }
  }

 private:
  const ConvolutionShape& shape_;
  PlanePlan plan_;
  bool by_planes_;
  int64_t block_;
  int64_t images_;
};

// Scratch memory of one worker backward to the images: that of a product, then a block of columns.
int64_t worker_bytes(const ConvolutionShape& shape) {
  const int64_t columns = shape.taps * positions_at_once(shape);
  return align(kProductScratchBytes) + align(columns * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

void CpuBackend::conv2d_forward_by_loops(const namp_conv2d_args& args, namp_stream stream) {
  if (convolve_by_planes(args, ConvolutionPass::kForward, stream)) return;
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const Columns source(shape, 1);
  const int64_t block = source.block();
  const int64_t each = align(kProductScratchBytes) + source.planes_bytes() + source.bytes();
  char* scratch = worker_scratch(threads_.count(), each, stream);
  threads_.split(args.batch * args.groups, [&](int64_t worker, int64_t first, int64_t last) {
    char* product = scratch + worker * each;
    char* planes = product + align(kProductScratchBytes);
    char* columns = planes + source.planes_bytes();
    source.clear(planes);
    for (int64_t item = first; item < last; ++item) {
      const int64_t group = item % args.groups;
      const int64_t channel = group * shape.group_out;
      const MatrixView weight{at(args.weight, channel * shape.taps, dtype), dtype, shape.taps, 1};
      const void* input = at(args.input, item * shape.group_in * shape.pixels, dtype);
      ProductOutput output{at(args.output, item * shape.group_out * shape.positions, dtype), dtype,
                           shape.positions};
      output.activation = static_cast<namp_activation>(args.activation);
      output.bias = args.bias == nullptr ? nullptr : at(args.bias, channel, dtype);
      output.bias_dtype = dtype;
      output.bias_by_row = true;
      for (int64_t begin = 0; begin < shape.positions; begin += block) {
        const int64_t count = std::min(block, shape.positions - begin);
        source.gather(simd_, input, dtype, begin, begin + count, planes, columns);
        block_gemm(simd_, shape.group_out, count, shape.taps, weight,
                   {columns, dtype, source.row(), 1}, part_of(output, 0, begin), product);
      }
    }
  });
}

void CpuBackend::conv2d_backward_data_by_loops(const namp_conv2d_args& args, namp_stream stream) {
  if (convolve_by_planes(args, ConvolutionPass::kBackwardData, stream)) return;
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const int64_t block = positions_at_once(shape);
  const int64_t each = worker_bytes(shape);
  const int64_t count = args.batch * args.in_channels * shape.pixels;
  const int64_t wide_bytes = dtype == NAMP_FLOAT32 ? 0 : align(count * 4);
  auto* scratch = static_cast<char*>(workspace(threads_.count() * each + wide_bytes, stream));
  // Sums of float32, rounded once at the end.
  auto* sums = reinterpret_cast<float*>(scratch + threads_.count() * each);
  if (dtype == NAMP_FLOAT32) sums = static_cast<float*>(args.input_gradient);
  threads_.split(args.batch * args.groups, [&](int64_t worker, int64_t first, int64_t last) {
    char* product = scratch + worker * each;
    auto* columns = reinterpret_cast<float*>(product + align(kProductScratchBytes));
    for (int64_t item = first; item < last; ++item) {
      const int64_t channel = item % args.groups * shape.group_out;
      const MatrixView weight{at(args.weight, channel * shape.taps, dtype), dtype, 1, shape.taps};
      const MatrixView gradient{
          at(args.output_gradient, item * shape.group_out * shape.positions, dtype), dtype,
          shape.positions, 1};
      float* out = sums + item * shape.group_in * shape.pixels;
      std::fill_n(out, shape.group_in * shape.pixels, 0.0f);
      for (int64_t begin = 0; begin < shape.positions; begin += block) {
        const int64_t length = std::min(block, shape.positions - begin);
        block_gemm(simd_, shape.taps, length, shape.group_out, weight, part_of(gradient, 0, begin),
                   {columns, NAMP_FLOAT32, length}, product);
        scatter_columns(shape, columns, begin, begin + length, out);
      }
    }
  });
  if (dtype != NAMP_FLOAT32) {
    cast(cell_of(args.input_gradient, dtype), cell_of(sums, NAMP_FLOAT32), count, {}, stream);
  }
}

void CpuBackend::conv2d_backward_weights_by_loops(const namp_conv2d_args& args,
                                                  namp_stream stream) {
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
  const int64_t workers = std::max<int64_t>(1, std::min<int64_t>(threads_.count(), args.batch));
  char* scratch = worker_scratch(1, workers * each + sums_bytes, stream);
  const auto sums_of = [&](int64_t worker) {
    return reinterpret_cast<float*>(scratch + worker * each);
  };
  std::fill_n(sums_of(0), weights, 0.0f);  // no worker does it where there are no images
  // Every worker sums over its images, [taps, channels of the output] in each group: the larger
  // operand, the columns, then lies in memory as a product reads its left side. The sums are added
  // in the order of workers.
  threads_.split(args.batch, [&](int64_t worker, int64_t first, int64_t last) {
    std::fill_n(sums_of(worker), weights, 0.0f);
    char* planes = scratch + worker * each + sums_bytes;
    char* columns = planes + source.planes_bytes();
    char* gradients = columns + source.bytes();
    char* product = gradients + gradients_bytes;
    source.clear(planes);
    const auto add = [&](int64_t image, int64_t images, int64_t group) {
      const auto part = [&](const void* tensor, int64_t index, int64_t group_size) {
        return at(tensor, (index * args.groups + group) * group_size, dtype);
      };
      ProductOutput output{sums_of(worker) + group * shape.group_out * shape.taps, NAMP_FLOAT32,
                           shape.group_out};
      output.beta = 1.0f;
      MatrixView gradient{part(args.output_gradient, image, shape.group_out * shape.positions),
                          dtype, 1, shape.positions};
      if (images > 1) {
        gradient.data = gradients;
        gradient.column_stride = gradients_row;
      }
      for (int64_t begin = 0; begin < shape.positions; begin += block) {
        const int64_t count = std::min(block, shape.positions - begin);
        for (int64_t i = 0; i < images; ++i) {
          source.gather(simd_, part(args.input, image + i, shape.group_in * shape.pixels), dtype,
                        begin, begin + count, planes, at(columns, i * count, dtype));
          if (images == 1) continue;
          const auto bytes = static_cast<size_t>(count * dtype_size(dtype));
          const void* from =
              part(args.output_gradient, image + i, shape.group_out * shape.positions);
          for (int64_t channel = 0; channel < shape.group_out; ++channel) {
            std::memcpy(at(gradients, channel * gradients_row + i * count, dtype),
                        at(from, channel * shape.positions, dtype), bytes);
          }
        }
        block_gemm(simd_, shape.taps, shape.group_out, images * count,
                   {columns, dtype, source.row(), 1}, part_of(gradient, begin, 0), output, product);
      }
    };
    for (int64_t image = first; image < last; image += source.images()) {
      for (int64_t group = 0; group < args.groups; ++group)
        add(image, std::min(source.images(), last - image), group);
    }
  });
  auto* sums = reinterpret_cast<float*>(scratch + workers * each);  // as the weights lie
  const int64_t blocks = divide_up(shape.group_out, kTransposed);
  threads_.parallel_for(args.groups * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const int64_t group = index / blocks;
      const int64_t channel = index % blocks * kTransposed;
      const int64_t channels = std::min(kTransposed, shape.group_out - channel);
      const float* from = sums_of(0) + group * shape.group_out * shape.taps + channel;
      float* to = sums + (group * shape.group_out + channel) * shape.taps;
      for (int64_t tap = 0; tap < shape.taps; ++tap, from += shape.group_out) {
        for (int64_t i = 0; i < channels; ++i) {
          float sum = 0.0f;
          for (int64_t worker = 0; worker < workers; ++worker)
            sum += from[worker * (each / 4) + i];
          to[i * shape.taps + tap] = sum;
        }
      }
    }
  });
  cast(cell_of(args.weight_gradient, args.weight_gradient_dtype), cell_of(sums, NAMP_FLOAT32),
       weights, {}, stream);
  if (args.bias_gradient != nullptr) {
    namp_sum_args bias{};
    bias.struct_size = sizeof(bias);
    bias.out_dtype = args.bias_gradient_dtype;
    bias.in_dtype = args.dtype;
    bias.alpha = 1.0f;
    bias.outer = args.batch;
    bias.channels = args.out_channels;
    bias.inner = shape.positions;
    bias.out = args.bias_gradient;
    bias.in = args.output_gradient;
    sum(bias, stream);
  }
}

}  // namespace namp
