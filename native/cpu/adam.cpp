// Family 4: FP32 Adam in one pass over gradients, parameters and moments, which also writes the
// half copies.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/adam.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "formulas/adam.h"

#include "cpu/adam_chunk.h"
#include "cpu/cpu_backend.h"
#include "cpu/element.h"
#include "cpu/streaming.h"
#include "formulas/philox.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// A half copy's store: rounded to nearest, or stochastically by words.
template <class T>
struct NearestCopy {
  T* out;
  template <class Extent>
  HWY_INLINE void operator()(Lane x, int64_t i, Extent part) const {
    store(x, out + i, part);
  }
};
// To nearest and past the cache.
template <class T>
struct StreamedCopy {
  T* out;
  template <class Extent>
  HWY_INLINE void operator()(Lane x, int64_t i, Extent part) const {
    stream(x, out + i, part);
  }
};
template <class T>
struct StochasticCopy {
  T* out;
  const uint32_t* words;
  template <class Extent>
  HWY_INLINE void operator()(Lane x, int64_t i, Extent part) const {
    store_stochastic(x, load_bits(words + i), out + i, part);
  }
};
struct NoCopy {
  template <class Extent>
  HWY_INLINE void operator()(Lane, int64_t, Extent) const {}
};

template <class Gradient, class Copy>
void adam_run(const AdamChunk& chunk, int64_t begin, int64_t count, const AdamConstants& constants,
              Copy copy) {
  const Gradient* gradient = static_cast<const Gradient*>(chunk.gradient) + begin;
  float* parameter = chunk.parameter + begin;
  float* exp_avg = chunk.exp_avg + begin;
  float* exp_avg_sq = chunk.exp_avg_sq + begin;
  float* max_exp_avg_sq = chunk.max_exp_avg_sq + (constants.amsgrad ? begin : 0);
  const AdamConstants c = constants;
  for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
    AdamElement<Lane> x;
    x.parameter = load(parameter + i, part);
    x.exp_avg = load(exp_avg + i, part);
    x.exp_avg_sq = load(exp_avg_sq + i, part);
    if (c.amsgrad) x.max_exp_avg_sq = load(max_exp_avg_sq + i, part);
    adam_step(x, load(gradient + i, part), c);
    store(x.parameter, parameter + i, part);
    store(x.exp_avg, exp_avg + i, part);
    store(x.exp_avg_sq, exp_avg_sq + i, part);
    if (c.amsgrad) store(x.max_exp_avg_sq, max_exp_avg_sq + i, part);
    copy(x.parameter, i, part);
  });
}

void adam_chunk(const AdamChunk& chunk, const AdamConstants& constants, const AdamRandom& random) {
  with_element(chunk.gradient_dtype, [&](auto gradient_type) HWY_ATTR {
    using Gradient = typename decltype(gradient_type)::Type;
    if (chunk.half_copy == nullptr) {
      adam_run<Gradient>(chunk, 0, chunk.count, constants, NoCopy{});
      return;
    }
    with_element(chunk.half_dtype, [&](auto half_type) HWY_ATTR {
      using Half = typename decltype(half_type)::Type;
      Half* half = static_cast<Half*>(chunk.half_copy);
      if (!random.stochastic && chunk.streams && is_aligned_to_lane(half)) {
        adam_run<Gradient>(chunk, 0, chunk.count, constants, StreamedCopy<Half>{half});
        hwy::FlushStream();
        return;
      }
      if (!random.stochastic) {
        adam_run<Gradient>(chunk, 0, chunk.count, constants, NearestCopy<Half>{half});
        return;
      }
      constexpr int64_t kBlock = 256;
      uint32_t words[kBlock + 8];
      for (int64_t begin = 0; begin < chunk.count; begin += kBlock) {
        const int64_t count = std::min(kBlock, chunk.count - begin);
        fill_philox(words, random.first + static_cast<uint64_t>(begin), count, random.step,
                    random.seed);
        adam_run<Gradient>(chunk, begin, count, constants,
                           StochasticCopy<Half>{half + begin, words});
      }
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(adam_chunk);

float* float_at(const TableView& table, const Chunk& chunk, int32_t column) {
  return static_cast<float*>(table.cell(chunk.tensor, column).data) + chunk.begin;
}

// A tensor's constants, made anew where its group or its count differs from those of the one
// before: seldom, for a group's tensors lie beside each other and are mostly updated together.
class LastConstants {
 public:
  template <class Make>
  const AdamConstants& of(int32_t group, int64_t step, Make&& make) {
    if (group != group_ || step != step_) {
      constants_ = make(group, step);
      group_ = group;
      step_ = step;
    }
    return constants_;
  }

 private:
  int32_t group_ = -1;
  int64_t step_ = 0;
  AdamConstants constants_{};
};

// gradient is null where the tensor is left out.
AdamChunk chunk_of(const TableView& table, const Chunk& chunk, const namp_adam_columns& columns) {
  AdamChunk c{};
  c.count = chunk.count;
  const namp_cell& gradient = table.cell(chunk.tensor, columns.gradient);
  if (gradient.data == nullptr) return c;
  c.gradient_dtype = static_cast<namp_dtype>(gradient.dtype);
  c.gradient = element(static_cast<const void*>(gradient.data), c.gradient_dtype, chunk.begin);
  c.parameter = float_at(table, chunk, columns.parameter);
  c.exp_avg = float_at(table, chunk, columns.exp_avg);
  c.exp_avg_sq = float_at(table, chunk, columns.exp_avg_sq);
  return c;
}

}  // namespace

void CpuBackend::adam_step(const TableView& table, const namp_adam_args& args,
                           const namp_scaler_state* scaler, namp_optimizer_state* state,
                           namp_stream) {
  if (state->found_inf != 0) return;
  const int64_t step = next_step(state->step);
  const bool scaled = scaler != nullptr && state->unscaled == 0;
  const float inverse_scale = scaled ? scaler->inverse_scale : 1.0f;
  state->clip_coefficient = clip_coefficient(args.max_norm, state->gradient_norm);
  const namp_adam_columns& columns = args.columns;
  const bool streaming = streams(table);
  const auto kernel = adam_chunk_by_simd(simd_);
  const auto step_chunk = [&](const Chunk& chunk, LastConstants& last) {
    AdamChunk pointers = chunk_of(table, chunk, columns);
    if (pointers.gradient == nullptr) return;
    pointers.streams = streaming;
    const AdamConstants& constants = last.of(
        table.groups[chunk.tensor], args.steps[chunk.tensor], [&](int32_t group, int64_t before) {
          return adam_constants(args.groups[group], next_step(before), inverse_scale,
                                state->clip_coefficient);
        });
    if (constants.amsgrad) pointers.max_exp_avg_sq = float_at(table, chunk, columns.max_exp_avg_sq);
    if (columns.half_copy >= 0) {
      const namp_cell& half = table.cell(chunk.tensor, columns.half_copy);
      pointers.half_dtype = static_cast<namp_dtype>(half.dtype);
      if (half.data != nullptr) {
        pointers.half_copy = element(half.data, pointers.half_dtype, chunk.begin);
      }
    }
    const AdamRandom random{
        args.half_copy_rounding == NAMP_ROUND_STOCHASTIC, args.seed, static_cast<uint64_t>(step),
        static_cast<uint64_t>(table.first_elements[chunk.tensor] + chunk.begin)};
    kernel(pointers, constants, random);
  };
  threads_.split(table.chunk_count, [&](int64_t, int64_t begin, int64_t end) {
    LastConstants last;
    for (int64_t index = begin; index < end; ++index)
      step_chunk(table.chunks[index], last);
  });
  // Only now: every chunk of a tensor asks for what it was before.
  for (int64_t tensor = 0; tensor < table.tensor_count; ++tensor) {
    if (table.cell(tensor, columns.gradient).data != nullptr)
      args.steps[tensor] = next_step(args.steps[tensor]);
  }
  if (args.advance_step != 0) state->step = step;
}

}  // namespace namp
#endif
