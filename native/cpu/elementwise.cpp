// Addition and multiplication of two tensors, with the second one repeated if it is shorter; and
// dropout.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/elementwise.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/random_words-inl.h"

#include "cpu/cpu_backend.h"
#include "formulas/dropout.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Calls body(i, j, count) for runs of elements from i on in the first tensor and from j on in the
// second, which repeats.
template <class Body>
void for_periods(int64_t begin, int64_t end, int64_t period, const Body& body) {
  for (int64_t i = begin; i < end;) {
    const int64_t from = i % period;
    const int64_t count = std::min(end - i, period - from);
    body(i, from, count);
    i += count;
  }
}

// A function of its own for each triple of dtypes (HWY_NOINLINE): 27 of them in one function would
// take a compiler minutes.
template <class Out, class A, class B>
HWY_NOINLINE void add_typed(const namp_add_args& args, int64_t begin, int64_t end) {
  const Lane alpha = args.alpha;
  const Lane beta = args.beta;
  Out* out = static_cast<Out*>(args.out);
  const A* a = static_cast<const A*>(args.a);
  const B* b = static_cast<const B*>(args.b);
  if (b == nullptr) {
    map(
        out + begin, end - begin, [=](Lane x) NAMP_LANES { return alpha * x; }, a + begin);
    return;
  }
  for_periods(begin, end, args.b_period, [&](int64_t i, int64_t j, int64_t count) NAMP_LANES {
    map(
        out + i, count, [=](Lane x, Lane y) NAMP_LANES { return alpha * x + beta * y; }, a + i,
        b + j);
  });
}

void add_range(const namp_add_args& args, int64_t begin, int64_t end) {
  with_element(static_cast<namp_dtype>(args.out_dtype), [&](auto out) {
    with_element(static_cast<namp_dtype>(args.a_dtype), [&](auto a) {
      with_element(static_cast<namp_dtype>(args.b_dtype), [&](auto b) {
        add_typed<typename decltype(out)::Type, typename decltype(a)::Type,
                  typename decltype(b)::Type>(args, begin, end);
      });
    });
  });
}

void multiply_range(const namp_multiply_args& args, int64_t begin, int64_t end) {
  with_element(static_cast<namp_dtype>(args.dtype), [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    for_periods(begin, end, args.b_period, [&](int64_t i, int64_t j, int64_t count) NAMP_LANES {
      map(
          static_cast<T*>(args.out) + i, count, [](Lane x, Lane y) NAMP_LANES { return x * y; },
          static_cast<const T*>(args.a) + i, static_cast<const T*>(args.b) + j);
    });
  });
}

void dropout_range(void* output, const void* input, namp_dtype dtype, const Dropout& dropout,
                   uint64_t seed, uint64_t offset, int64_t begin, int64_t end) {
  with_element(dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    RandomWords words;
    for (int64_t at = begin; at < end; at += words.kMost) {
      const int64_t count = std::min(words.kMost, end - at);
      words.draw(offset + static_cast<uint64_t>(at), count, 0, seed);
      for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
        const Lane x = load(static_cast<const T*>(input) + at + i, part);
        store(drop(x, words.at(i), dropout), static_cast<T*>(output) + at + i, part);
      });
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(add_range);
NAMP_SIMD_TABLE(multiply_range);
NAMP_SIMD_TABLE(dropout_range);

namespace {

// A second tensor of a short period would be all tails: it is repeated first. The same values, so
// the same bits. workspace(bytes) gives memory.
template <class Args, class Workspace>
Args with_long_period(Args args, int32_t b_dtype, Workspace workspace) {
  constexpr int64_t kShort = 512;
  if (args.b_period >= kShort || args.b_period >= args.count) return args;
  const int64_t repeats =
      std::min((kShort + args.b_period - 1) / args.b_period, args.count / args.b_period);
  const int64_t bytes = args.b_period * dtype_size(b_dtype);
  auto* b = static_cast<std::byte*>(workspace(bytes * repeats));
  for (int64_t i = 0; i < repeats; ++i)
    std::copy_n(static_cast<const std::byte*>(args.b), bytes, b + i * bytes);
  args.b = b;
  args.b_period *= repeats;
  return args;
}

}  // namespace

void CpuBackend::add(const namp_add_args& args, namp_stream stream) {
  const auto room = [&](int64_t bytes) { return workspace(bytes, stream); };
  const auto known = args.b == nullptr ? args : with_long_period(args, args.b_dtype, room);
  const auto range = add_range_by_simd(simd_);
  threads_.parallel_for(args.count, kChunkElements,
                        [&](int64_t begin, int64_t end) { range(known, begin, end); });
}

void CpuBackend::multiply(const namp_multiply_args& args, namp_stream stream) {
  const auto room = [&](int64_t bytes) { return workspace(bytes, stream); };
  const auto known = with_long_period(args, args.dtype, room);
  const auto range = multiply_range_by_simd(simd_);
  threads_.parallel_for(args.count, kChunkElements,
                        [&](int64_t begin, int64_t end) { range(known, begin, end); });
}

void CpuBackend::dropout(void* output, const void* input, namp_dtype dtype, int64_t count,
                         float probability, uint64_t seed, uint64_t offset,
                         const uint64_t* offset_base, namp_stream) {
  if (offset_base != nullptr) offset += *offset_base;
  const Dropout dropout(probability);
  const auto range = dropout_range_by_simd(simd_);
  threads_.parallel_for(count, kChunkElements, [&](int64_t begin, int64_t end) {
    range(output, input, dtype, dropout, seed, offset, begin, end);
  });
}

}  // namespace namp
#endif
