// Attention of queries that are the last of more keys, as with a key-value cache, and of heads that
// share keys, forward and backward. The oracle is the definition in double.
#include "backend_test.h"

namespace namp_test {
namespace {

struct Sizes {
  int64_t batch, heads, key_heads, queries, keys, head_dim;
};

std::ostream& operator<<(std::ostream& out, const Sizes& s) {
  return out << "batch " << s.batch << ", " << s.heads << " heads, " << s.key_heads << " of keys, "
             << s.queries << " queries, " << s.keys << " keys of " << s.head_dim;
}

// A cache [batch, room, key_heads * head_dim] for keys and one for values, with NaN behind the keys,
// and queries [batch, queries, heads * head_dim], as is the output.
struct Attention {
  static constexpr int64_t kRoom = 3;  // times of the cache that are not filled yet

  Attention(Device& device, const Sizes& s, int32_t dtype, bool causal, int64_t shift)
      : sizes(s),
        query(device, dtype, random_values(s.batch * s.queries * s.heads * s.head_dim, 1), shift),
        key(device, dtype, cached(s, 2), shift),
        value(device, dtype, cached(s, 3), shift),
        output(device, dtype, query.size(), shift),
        log_sum_exp(device, NAMP_FLOAT32, s.batch * s.heads * s.queries, shift) {
    args.dtype = dtype;
    args.causal = causal;
    // Scores of wider heads are no larger than those of 144: rounding errors grow with them.
    args.scale = static_cast<float>(std::min(0.5, 6 / std::sqrt(static_cast<double>(s.head_dim))));
    args.batch = s.batch;
    args.heads = s.heads;
    args.key_heads = s.key_heads;
    args.query_time = s.queries;
    args.key_time = s.keys;
    args.head_dim = s.head_dim;
    args.query = query.data();
    args.key = key.data();
    args.value = value.data();
    args.query_head_stride = args.key_head_stride = args.output_head_stride = s.head_dim;
    args.query_time_stride = args.output_time_stride = s.heads * s.head_dim;
    args.query_batch_stride = args.output_batch_stride = s.queries * args.query_time_stride;
    args.key_time_stride = s.key_heads * s.head_dim;
    args.key_batch_stride = (s.keys + kRoom) * args.key_time_stride;
    args.output = output.data();
    args.log_sum_exp = log_sum_exp.floats();
  }

  static std::vector<double> cached(const Sizes& s, uint64_t seed) {
    const int64_t row = s.key_heads * s.head_dim;
    std::vector<double> all = random_values(s.batch * (s.keys + kRoom) * row, seed);
    for (int64_t i = 0; i < static_cast<int64_t>(all.size()); ++i) {
      if (i / row % (s.keys + kRoom) >= s.keys) all[static_cast<size_t>(i)] = kNaN;
    }
    return all;
  }

  int64_t query_at(int64_t b, int64_t h, int64_t i) const {
    return b * args.query_batch_stride + i * args.query_time_stride + h * sizes.head_dim;
  }
  int64_t key_at(int64_t b, int64_t h, int64_t j) const {
    return b * args.key_batch_stride + j * args.key_time_stride +
           h / (sizes.heads / sizes.key_heads) * sizes.head_dim;
  }

  void expect(std::vector<double>& outputs, std::vector<double>& log_sums) const {
    const auto scale = static_cast<double>(args.scale);
    outputs.assign(static_cast<size_t>(output.size()), 0.0);
    for (int64_t b = 0; b < sizes.batch; ++b) {
      for (int64_t h = 0; h < sizes.heads; ++h) {
        for (int64_t i = 0; i < sizes.queries; ++i) {
          const int64_t seen = args.causal != 0 ? sizes.keys - sizes.queries + i + 1 : sizes.keys;
          double sum = 0;
          std::vector<double> weights;
          for (int64_t j = 0; j < seen; ++j) {
            double score = 0;
            for (int64_t d = 0; d < sizes.head_dim; ++d)
              score += query[query_at(b, h, i) + d] * key[key_at(b, h, j) + d];
            weights.push_back(std::exp(score * scale));
            sum += weights.back();
          }
          for (int64_t j = 0; j < seen; ++j) {
            for (int64_t d = 0; d < sizes.head_dim; ++d) {
              outputs[static_cast<size_t>(query_at(b, h, i) + d)] +=
                  weights[static_cast<size_t>(j)] / sum * value[key_at(b, h, j) + d];
            }
          }
          log_sums.push_back(std::log(sum));
        }
      }
    }
  }

  // Adds to queries; overwrites keys and values where there are keys.
  void expect_gradients(Buffer& upstream, std::vector<double>& queries, std::vector<double>& keys,
                        std::vector<double>& values) const {
    const auto scale = static_cast<double>(args.scale);
    for (int64_t b = 0; b < sizes.batch; ++b) {
      for (int64_t h = 0; h < sizes.heads; ++h) {
        for (int64_t j = 0; j < sizes.keys; ++j) {
          for (int64_t d = 0; d < sizes.head_dim; ++d) {
            const auto at = static_cast<size_t>(key_at(b, h, j) + d);
            if (h % (sizes.heads / sizes.key_heads) == 0) keys[at] = values[at] = 0;
          }
        }
        for (int64_t i = 0; i < sizes.queries; ++i) {
          const int64_t seen = args.causal != 0 ? sizes.keys - sizes.queries + i + 1 : sizes.keys;
          const int64_t own = query_at(b, h, i);
          std::vector<double> shares;
          std::vector<double> slopes;
          double sum = 0;
          double mean = 0;
          for (int64_t j = 0; j < seen; ++j) {
            double score = 0;
            double slope = 0;
            for (int64_t d = 0; d < sizes.head_dim; ++d) {
              score += query[own + d] * key[key_at(b, h, j) + d];
              slope += upstream[own + d] * value[key_at(b, h, j) + d];
            }
            shares.push_back(std::exp(score * scale));
            slopes.push_back(slope);
            sum += shares.back();
          }
          for (int64_t j = 0; j < seen; ++j) {
            shares[static_cast<size_t>(j)] /= sum;
            mean += shares[static_cast<size_t>(j)] * slopes[static_cast<size_t>(j)];
          }
          for (int64_t j = 0; j < seen; ++j) {
            const double share = shares[static_cast<size_t>(j)];
            const double slope = share * (slopes[static_cast<size_t>(j)] - mean) * scale;
            for (int64_t d = 0; d < sizes.head_dim; ++d) {
              const auto at = static_cast<size_t>(key_at(b, h, j) + d);
              queries[static_cast<size_t>(own + d)] += slope * key[static_cast<int64_t>(at)];
              keys[at] += slope * query[own + d];
              values[at] += share * upstream[own + d];
            }
          }
        }
      }
    }
  }

  Sizes sizes;
  namp_attention_args args = make_args<namp_attention_args>();
  Buffer query, key, value, output, log_sum_exp;
};

class AttentionCacheTest : public BackendTest {
 protected:
  void check(const Sizes& sizes, int32_t dtype, bool causal, int64_t shift) {
    std::ostringstream trace;
    trace << sizes << ", dtype " << dtype << (causal ? ", causal" : "") << ", shift " << shift;
    SCOPED_TRACE(trace.str());
    Attention attention(device_, sizes, dtype, causal, shift);
    std::vector<double> expected;
    std::vector<double> log_sums;
    attention.expect(expected, log_sums);
    std::vector<std::vector<uint8_t>> first;
    int32_t simd = -1;
    for (const Setting& setting : device_.settings({1, 3})) {
      if (setting.simd != simd) first.clear();
      simd = setting.simd;
      device_.use(setting);
      run_once([&] { return namp_attention_forward(device_, &attention.args, nullptr); },
               {&attention.output, &attention.log_sum_exp}, setting, first);
      // Tensor cores take weights that are rounded to the dtype.
      const double rounded = shift == 0 && device_.is_gpu() ? tolerance(dtype) : 1e-5;
      expect_close(attention.output, expected, rounded, "output");
      expect_close(attention.log_sum_exp, log_sums, 1e-5, "log_sum_exp");
      if (HasFailure()) return;
    }
  }

  void check_gradients(const Sizes& sizes, int32_t dtype, bool causal, int64_t shift) {
    std::ostringstream trace;
    trace << sizes << ", dtype " << dtype << (causal ? ", causal" : "") << ", shift " << shift;
    SCOPED_TRACE(trace.str());
    Attention attention(device_, sizes, dtype, causal, shift);
    namp_attention_args& args = attention.args;
    Buffer upstream(device_, dtype, random_values(attention.output.size(), 4), shift);
    Buffer query_gradient(device_, dtype, attention.query.size(), shift);
    const std::vector<double> before(static_cast<size_t>(attention.key.size()), 7.0);
    Buffer key_gradient(device_, dtype, before, shift);
    Buffer value_gradient(device_, dtype, before, shift);
    ASSERT_EQ(namp_attention_forward(device_, &args, nullptr), NAMP_OK);
    args.output_gradient = upstream.data();
    args.query_gradient = query_gradient.data();
    args.key_gradient = key_gradient.data();
    args.value_gradient = value_gradient.data();

    std::vector<double> queries(static_cast<size_t>(query_gradient.size()), 0.0);
    std::vector<double> keys = before;
    std::vector<double> values = before;
    attention.expect_gradients(upstream, queries, keys, values);
    std::vector<std::vector<uint8_t>> first;
    int32_t simd = -1;
    // Backward reads the rounded output: the sum of its products with the gradient has that error.
    const double absolute = (dtype == NAMP_FLOAT32 ? 2e-5 : 4 * tolerance(dtype)) *
                            static_cast<double>(sizes.head_dim) * static_cast<double>(sizes.heads) /
                            static_cast<double>(sizes.key_heads);
    for (const Setting& setting : device_.settings({1, 3})) {
      if (setting.simd != simd) first.clear();
      simd = setting.simd;
      device_.use(setting);
      run_once([&] { return namp_attention_backward(device_, &args, nullptr); },
               {&query_gradient, &key_gradient, &value_gradient}, setting, first);
      expect_close(query_gradient, queries, absolute, "of queries");
      expect_close(key_gradient, keys, absolute, "of keys");
      expect_close(value_gradient, values, absolute, "of values");
      if (HasFailure()) return;
    }
  }
};

TEST_P(AttentionCacheTest, QueriesAreTheLastOfTheKeys) {
  const Sizes all[] = {
      {1, 1, 1, 1, 1, 1},     // nothing before
      {2, 3, 3, 1, 37, 8},    // a token
      {1, 2, 2, 1, 96, 64},   // whole blocks
      {2, 4, 2, 3, 70, 5},    // few queries of two heads that share keys
      {1, 6, 2, 7, 45, 16},   // more than few, for three heads
      {1, 2, 1, 40, 75, 24},  // blocks of queries that begin within a block of keys
      {1, 1, 1, 33, 33, 8},   // as many keys
      {1, 2, 1, 2, 35, 136},  // a width of the tiles of 192
      {2, 4, 2, 1, 37, 256},  // a token of the widest tiles
      {1, 3, 1, 7, 45, 192},  // few queries of three heads
      {1, 2, 1, 5, 75, 200},  // columns of zeros behind a head
      {1, 2, 1, 2, 35, 264},  // heads too wide for tiles
  };
  for (const Sizes& sizes : all) {
    if (is_slow() && sizes.queries * sizes.keys > 400) continue;
    for (int32_t dtype : kFloats) {
      for (int64_t shift : {0, 1}) {
        if (shift == 0 && sizes.head_dim % 8 != 0) continue;  // it makes no difference there
        check(sizes, dtype, true, shift);
        if (HasFailure()) return;
      }
    }
    check(sizes, NAMP_FLOAT32, false, 1);
    if (HasFailure()) return;
  }
}

// A thread that has a head's first queries alone widens only the keys that they see.
TEST_P(AttentionCacheTest, WhatAnotherCallLeftInScratchMemoryIsNotRead) {
  const Sizes sizes{1, 2, 2, 33, 70, 64};
  Attention before(device_, sizes, NAMP_FLOAT32, true, 0);
  before.value.set(std::vector<double>(static_cast<size_t>(before.value.size()), kNaN));
  Attention attention(device_, sizes, NAMP_FLOAT32, true, 0);
  std::vector<double> expected;
  std::vector<double> log_sums;
  attention.expect(expected, log_sums);
  for (const Setting& setting : device_.settings({3})) {
    device_.use({setting.simd, 1});
    ASSERT_EQ(namp_attention_forward(device_, &before.args, nullptr), NAMP_OK);
    device_.use(setting);
    ASSERT_EQ(namp_attention_forward(device_, &attention.args, nullptr), NAMP_OK);
    expect_close(attention.output, expected, 1e-5, "output");
    if (HasFailure()) return;
  }
}

// Without causal there may be more queries than keys.
TEST_P(AttentionCacheTest, MoreQueriesThanKeys) {
  check({1, 2, 1, 9, 4, 8}, NAMP_FLOAT32, false, 0);
}

// nativeamp.h promises it for the CPU: how many queries a call has, and how many keys follow, makes no
// difference.
TEST_P(AttentionCacheTest, TheCpuGivesATokenTheBitsOfTheWholeSequence) {
  if (device_.is_gpu()) GTEST_SKIP() << "a promise of the CPU";
  const int64_t time = 75;
  for (int32_t dtype : kFloats) {
    Attention whole(device_, {2, 4, 2, time, time, 40}, dtype, true, 1);
    for (const Setting& setting : device_.settings({2})) {
      device_.use(setting);
      ASSERT_EQ(namp_attention_forward(device_, &whole.args, nullptr), NAMP_OK);
      for (const auto& [keys, queries] : std::initializer_list<std::pair<int64_t, int64_t>>{
               {1, 1}, {32, 1}, {33, 1}, {75, 1}, {40, 7}, {64, 9}, {70, 33}, {75, 70}}) {
        namp_attention_args args = whole.args;
        Buffer output(device_, dtype, whole.output.size());
        Buffer log_sum_exp(device_, NAMP_FLOAT32, whole.log_sum_exp.size());
        args.query_time = queries;
        args.key_time = keys;
        args.query = static_cast<char*>(whole.query.data()) +
                     (keys - queries) * args.query_time_stride * element_size(dtype);
        args.output = output.data();
        args.log_sum_exp = log_sum_exp.floats();
        ASSERT_EQ(namp_attention_forward(device_, &args, nullptr), NAMP_OK);
        for (int64_t b = 0; b < 2; ++b) {
          for (int64_t h = 0; h < 4; ++h) {
            for (int64_t i = 0; i < queries; ++i) {
              const int64_t at = keys - queries + i;
              ASSERT_EQ(log_sum_exp.bits((b * 4 + h) * queries + i),
                        whole.log_sum_exp.bits((b * 4 + h) * time + at));
              for (int64_t d = 0; d < 40; ++d) {
                ASSERT_EQ(output.bits(whole.query_at(b, h, i) + d),
                          whole.output.bits(whole.query_at(b, h, at) + d))
                    << setting << ", dtype " << dtype << ", query " << at << " of " << queries;
              }
            }
          }
        }
      }
    }
  }
}

// Heads that share keys give what they give with copies of the keys.
TEST_P(AttentionCacheTest, SharedKeysAreAsCopies) {
  for (int64_t queries : {1, 20}) {
    Attention shared(device_, {1, 4, 2, queries, 50, 8}, NAMP_FLOAT32, true, 0);
    Attention copied(device_, {1, 4, 4, queries, 50, 8}, NAMP_FLOAT32, true, 0);
    for (int64_t j = 0; j < 50; ++j) {
      for (int64_t c = 0; c < 4 * 8; ++c) {
        const int64_t from = shared.key_at(0, c / 8, j) + c % 8;
        copied.key.set(j * 32 + c, shared.key[from]);
        copied.value.set(j * 32 + c, shared.value[from]);
      }
    }
    ASSERT_EQ(namp_attention_forward(device_, &shared.args, nullptr), NAMP_OK);
    ASSERT_EQ(namp_attention_forward(device_, &copied.args, nullptr), NAMP_OK);
    EXPECT_EQ(shared.output.bytes(), copied.output.bytes());
  }
}

// Gradients of a key and a value are summed over all queries that see it, of all heads that share it;
// what lies behind the keys stays.
TEST_P(AttentionCacheTest, GradientsAreThoseOfTheDefinition) {
  const Sizes all[] = {
      {1, 1, 1, 1, 5, 8},     // the last query alone
      {2, 4, 2, 9, 9, 16},    // heads that share keys
      {1, 6, 2, 40, 75, 24},  // and queries that are the last of the keys
      {1, 2, 2, 33, 70, 64},  // later queries, no sharing
      {1, 3, 1, 5, 40, 128},  // wide heads
      {1, 2, 1, 3, 35, 136},  // a width of the tiles of 192
      {2, 4, 2, 9, 40, 192},  // two heads, and two tiles of each
      {1, 3, 1, 5, 70, 256},  // the widest, and keys of two blocks
      {1, 2, 1, 5, 67, 200},  // columns of zeros behind a head
      {1, 2, 1, 3, 35, 264},  // heads too wide for tiles
  };
  int64_t count = 0;
  for (const Sizes& sizes : all) {
    if (is_slow() && sizes.queries * sizes.keys > 400) continue;
    for (int32_t dtype : kFloats) {
      ++count;
      for (int64_t shift : {0, 1}) {
        if (device_.is_gpu() && shift != count % 2) continue;  // it takes long there: in turns
        check_gradients(sizes, dtype, true, shift);
        if (HasFailure()) return;
      }
    }
    check_gradients(sizes, NAMP_FLOAT32, false, 1);
    if (HasFailure()) return;
  }
  check_gradients({1, 4, 2, 9, 4, 8}, NAMP_FLOAT32, false, 0);
}

TEST_P(AttentionCacheTest, KeysWithoutQueriesHaveGradientsOfZeros) {
  check_gradients({2, 4, 2, 0, 5, 8}, NAMP_FLOAT16, true, 1);
  check_gradients({1, 2, 1, 0, 3, 136}, NAMP_FLOAT32, false, 0);
}

NAMP_ON_EVERY_DEVICE(AttentionCacheTest);

}  // namespace
}  // namespace namp_test
