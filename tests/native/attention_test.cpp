// Attention and its gradients against their definition, whole matrices of scores in double.
#include "backend_test.h"
#include "cuda/attention_kernels.h"

namespace namp_test {
namespace {

class AttentionTest : public BackendTest {
 protected:
  // Queries, keys and values packed as [batch, time, 3, heads, head_dim]; the output as [batch,
  // time, heads, head_dim]. All begin `shift` elements behind an aligned address.
  void check(int64_t batch, int64_t heads, int64_t time, int64_t head_dim, int32_t dtype,
             bool causal, double spread, int64_t shift = 1) {
    SCOPED_TRACE("batch " + std::to_string(batch) + " heads " + std::to_string(heads) + " time " +
                 std::to_string(time) + " head_dim " + std::to_string(head_dim) + " dtype " +
                 std::to_string(dtype) + " causal " + std::to_string(causal));
    const int64_t width = heads * head_dim;
    std::vector<double> values = random_values(batch * time * 3 * width, 1, spread);
    for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i) {
      if (i / width % 3 == 1)
        values[static_cast<size_t>(i)] *= 1 + growth_ * (i / width / 3 % time);
    }
    Buffer packed(device_, dtype, values, shift);
    Buffer output(device_, dtype, batch * time * width, shift);
    Buffer log_sum_exp(device_, NAMP_FLOAT32, batch * heads * time, 1);
    Buffer output_gradient(device_, dtype, random_values(batch * time * width, 2), 3 * shift);
    Buffer gradient(device_, dtype, batch * time * 3 * width, shift);
    const auto third = [&](Buffer& buffer, int64_t index) {
      return static_cast<char*>(buffer.data()) + index * width * element_size(dtype);
    };
    auto args = make_args<namp_attention_args>();
    args.dtype = dtype;
    args.causal = causal;
    args.scale = static_cast<float>(scaled_by_ / std::sqrt(static_cast<double>(head_dim)));
    args.batch = batch;
    args.heads = args.key_heads = heads;
    args.query_time = args.key_time = time;
    args.head_dim = head_dim;
    args.query = third(packed, 0);
    args.key = third(packed, 1);
    args.value = third(packed, 2);
    args.query_batch_stride = args.key_batch_stride = time * 3 * width;
    args.query_head_stride = args.key_head_stride = head_dim;
    args.query_time_stride = args.key_time_stride = 3 * width;
    args.output = output.data();
    args.output_batch_stride = time * width;
    args.output_head_stride = head_dim;
    args.output_time_stride = width;
    args.log_sum_exp = log_sum_exp.floats();
    args.output_gradient = output_gradient.data();
    args.query_gradient = third(gradient, 0);
    args.key_gradient = third(gradient, 1);
    args.value_gradient = third(gradient, 2);

    std::vector<double> expected(static_cast<size_t>(output.size()), 0.0);
    std::vector<double> expected_gradient(static_cast<size_t>(gradient.size()), 0.0);
    std::vector<double> expected_lse(static_cast<size_t>(log_sum_exp.size()), 0.0);
    const auto scale = static_cast<double>(args.scale);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t h = 0; h < heads; ++h) {
        const auto at = [&](int64_t which, int64_t t, int64_t d) {
          return ((b * time + t) * 3 + which) * width + h * head_dim + d;
        };
        const auto out_at = [&](int64_t t, int64_t d) {
          return (b * time + t) * width + h * head_dim + d;
        };
        for (int64_t i = 0; i < time; ++i) {
          const int64_t seen = causal ? i + 1 : time;
          std::vector<double> p(static_cast<size_t>(seen));
          double largest = -kInfinity;
          for (int64_t j = 0; j < seen; ++j) {
            double score = 0;
            for (int64_t d = 0; d < head_dim; ++d)
              score += packed[at(0, i, d)] * packed[at(1, j, d)];
            p[static_cast<size_t>(j)] = score * scale;
            largest = std::max(largest, score * scale);
          }
          double sum = 0;
          for (double& x : p) {
            x = std::exp(x - largest);
            sum += x;
          }
          for (double& x : p)
            x /= sum;
          expected_lse[static_cast<size_t>((b * heads + h) * time + i)] = largest + std::log(sum);
          std::vector<double> g(p.size());
          double delta = 0;
          for (int64_t j = 0; j < seen; ++j) {
            const auto jj = static_cast<size_t>(j);
            for (int64_t d = 0; d < head_dim; ++d) {
              expected[static_cast<size_t>(out_at(i, d))] += p[jj] * packed[at(2, j, d)];
              g[jj] += output_gradient[out_at(i, d)] * packed[at(2, j, d)];
              expected_gradient[static_cast<size_t>(at(2, j, d))] +=
                  p[jj] * output_gradient[out_at(i, d)];
            }
            delta += p[jj] * g[jj];
          }
          for (int64_t j = 0; j < seen; ++j) {
            const auto jj = static_cast<size_t>(j);
            const double ds = p[jj] * (g[jj] - delta) * scale;
            for (int64_t d = 0; d < head_dim; ++d) {
              expected_gradient[static_cast<size_t>(at(0, i, d))] += ds * packed[at(1, j, d)];
              expected_gradient[static_cast<size_t>(at(1, j, d))] += ds * packed[at(0, i, d)];
            }
          }
        }
      }
    }
    run_targets([&] { return namp_attention_forward(device_, &args, nullptr); },
                {&output, &log_sum_exp},
                [&] {
                  // Tensor cores take weights that are rounded to the dtype.
                  const double rounded = shift == 0 && device_.is_gpu() ? tolerance(dtype) : 1e-5;
                  expect_close(output, expected, rounded * spread, "output");
                  expect_close(log_sum_exp, expected_lse, 1e-5, "log_sum_exp");
                });
    // Backward reads the rounded output: the sum of its products with the gradient has that error.
    const double absolute = (dtype == NAMP_FLOAT32 ? 2e-5 : 4 * tolerance(dtype)) * spread *
                            spread * std::sqrt(static_cast<double>(head_dim));
    run_targets([&] { return namp_attention_backward(device_, &args, nullptr); }, {&gradient},
                [&] { expect_close(gradient, expected_gradient, absolute, "gradient"); });
  }

  // The same bits for the same call on a SIMD target, for any number of threads.
  void run_targets(const std::function<int32_t()>& call, const std::vector<Buffer*>& outputs,
                   const std::function<void()>& compare) {
    std::vector<std::vector<uint8_t>> first;
    int32_t simd = -1;
    for (const Setting& setting : device_.settings({1, 1, 3})) {
      if (setting.simd != simd) first.clear();
      simd = setting.simd;
      device_.use(setting);
      run_once(call, outputs, setting, first);
      compare();
      if (HasFailure()) return;
    }
  }

  double scaled_by_ = 1;  // beside the usual scale
  double growth_ = 0;     // of keys, from one to the next
};

TEST_P(AttentionTest, EveryTimeAndHead) {
  const int64_t sizes[][2] = {{1, 1},  {1, 32}, {7, 4},    {5, 33},    {33, 7}, {64, 16},
                              {65, 8}, {63, 3}, {128, 32}, {130, 130}, {193, 5}};
  for (const auto& size : sizes) {
    const int64_t most = !device_.is_gpu() ? (is_sanitized() ? 1024 : 1 << 20)
                         : is_slow()       ? 165
                                           : 600;
    if (size[0] * size[1] > most) continue;  // it takes too long there
    for (int32_t dtype : kFloats) {
      for (bool causal : {false, true}) {
        check(2, 2, size[0], size[1], dtype, causal, 1.0);
        if (HasFailure()) return;
      }
    }
  }
}

// A GPU of compute capability 8.0 or later takes its tensor cores for memory on 16-byte borders.
TEST_P(AttentionTest, OfAlignedHeads) {
  const int64_t sizes[][2] = {{1, 8},    {65, 32},  {70, 64},  {40, 128}, {33, 40},
                              {70, 136}, {17, 192}, {66, 200}, {33, 256}, {16, 264}};
  for (const auto& size : sizes) {
    if (is_sanitized() && size[0] * size[1] > 1100) continue;
    for (int32_t dtype : kFloats) {
      for (bool causal : {false, true}) {
        check(1, 2, size[0], size[1], dtype, causal, 1.0, 0);
        if (HasFailure()) return;
      }
    }
  }
}

// Wider than the elements that a warp adds at a time.
TEST_P(AttentionTest, WideHeads) { check(1, 1, 9, 270, NAMP_FLOAT32, true, 1.0); }

// Tasks in several launches give what one launch gives.
TEST_P(AttentionTest, ALaunchOnAGpuHasABoundedNumberOfProducts) {
  EXPECT_EQ(namp::cuda::attention_rows_per_launch(1024, 64, 4), int64_t{1} << 17);
  EXPECT_EQ(namp::cuda::attention_rows_per_launch(int64_t{1} << 29, 128, 4), 4);
  if (!device_.is_emulated()) GTEST_SKIP() << "only the emulated GPU counts";
  const int64_t usual = namp::cuda::most_attention_products;
  const auto launches = [&](int64_t heads, int64_t time, int64_t head_dim, int64_t products) {
    namp::cuda::most_attention_products = products;
    const uint64_t before = emulated_gpu()->launches_of("attention_");
    check(2, heads, time, head_dim, NAMP_FLOAT32, true, 1.0);
    namp::cuda::most_attention_products = usual;
    return emulated_gpu()->launches_of("attention_") - before;
  };
  EXPECT_EQ(launches(3, 37, 16, 128 * 37 * 16), 2u * (3 + 2 * 3))
      << "twice 6 tasks of 64 rows, 2 at a time, and in two passes 12 of 32, 4 at a time";
  EXPECT_EQ(launches(1, 9, 270, 8 * 9 * 270), 2u * 3 * 3)
      << "twice 18 rows of three kernels, 8 at a time";
}

// The largest score changes from block to block, by a large amount.
TEST_P(AttentionTest, WideScores) {
  for (bool causal : {false, true}) {
    check(1, 1, device_.is_gpu() ? 70 : 200, 16, NAMP_FLOAT32, causal, 6.0);
  }
}

// A tile's largest score is a little larger than that of the one before, or a lot.
TEST_P(AttentionTest, ScoresGrowFromTileToTile) {
  for (double growth : {0.005, 0.05}) {
    growth_ = growth;
    for (int32_t dtype : kFloats) {
      check(1, 1, device_.is_gpu() ? 100 : 200, 32, dtype, false, 1.0, 0);
      if (HasFailure()) return;
    }
  }
}

TEST_P(AttentionTest, AScaleMayBeNegativeOrZero) {
  for (double by : {-1.0, 0.0}) {
    scaled_by_ = by;
    for (int32_t dtype : kFloats) {
      for (bool causal : {false, true}) {
        check(1, 2, 40, 32, dtype, causal, 1.0, 0);
        check(1, 1, 9, 270, dtype, causal, 1.0, 1);
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(AttentionTest, NanStaysInItsRows) {
  const int64_t time = 70;
  std::vector<double> values(static_cast<size_t>(time * 4), 0.5);
  values[65 * 4] = kNaN;
  Buffer query(device_, NAMP_FLOAT32, values);
  Buffer key(device_, NAMP_FLOAT32, random_values(time * 4, 1));
  Buffer output(device_, NAMP_FLOAT32, time * 4);
  Buffer log_sum_exp(device_, NAMP_FLOAT32, time);
  auto args = make_args<namp_attention_args>();
  args.dtype = NAMP_FLOAT32;
  args.scale = 1;
  args.batch = args.heads = args.key_heads = 1;
  args.query_time = args.key_time = time;
  args.head_dim = args.query_time_stride = args.key_time_stride = args.output_time_stride = 4;
  args.query = query.data();
  args.key = args.value = key.data();
  args.output = output.data();
  args.log_sum_exp = log_sum_exp.floats();
  run_targets([&] { return namp_attention_forward(device_, &args, nullptr); }, {&output},
              [&] {
                for (int64_t i = 0; i < output.size(); ++i)
                  ASSERT_EQ(std::isnan(output[i]), i / 4 == 65) << i;
              });
}

TEST_P(AttentionTest, NothingToDoNeedsNoPointers) {
  auto args = make_args<namp_attention_args>();
  args.dtype = NAMP_FLOAT16;
  args.heads = args.key_heads = args.query_time = args.key_time = args.head_dim = 4;
  EXPECT_EQ(namp_attention_forward(device_, &args, nullptr), NAMP_OK);
  EXPECT_EQ(namp_attention_backward(device_, &args, nullptr), NAMP_OK);
}

TEST_P(AttentionTest, RefusesWhatDoesNotFit) {
  Buffer input(device_, NAMP_FLOAT32, random_values(16, 1));
  Buffer out(device_, NAMP_FLOAT32, random_values(16, 2));
  auto good = make_args<namp_attention_args>();
  good.dtype = NAMP_FLOAT32;
  good.scale = 1;
  good.batch = good.heads = good.key_heads = 1;
  good.query_time = good.key_time = good.head_dim = 4;
  good.query_time_stride = good.key_time_stride = good.output_time_stride = 4;
  good.query = good.key = good.value = good.output_gradient = input.data();
  good.output = good.query_gradient = good.key_gradient = good.value_gradient = out.data();
  good.log_sum_exp = out.floats();
  const auto refuse = [&](const std::function<void(namp_attention_args&)>& spoil) {
    namp_attention_args args = good;
    spoil(args);
    expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_attention_forward(device_, &args, nullptr),
                   {&out});
    expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_attention_backward(device_, &args, nullptr),
                   {&out});
  };
  refuse([](auto& args) { args.struct_size = 1; });
  refuse([](auto& args) { args.dtype = NAMP_INT32; });
  refuse([](auto& args) { args.causal = 2; });
  refuse([](auto& args) { args.scale = std::numeric_limits<float>::quiet_NaN(); });
  refuse([](auto& args) { args.query_time = -1; });
  refuse([](auto& args) { args.query_time = args.key_time = INT64_C(1) << 40; });
  refuse([](auto& args) { args.key_time = -1; });
  refuse([](auto& args) { args.key_time = 0; });
  refuse([](auto& args) { args.key_time = INT64_MAX; });
  refuse([](auto& args) { args.head_dim = INT64_C(1) << 40; });
  refuse([](auto& args) { args.batch = args.heads = args.key_heads = INT64_C(1) << 30; });
  refuse([](auto& args) { args.key_heads = 0; });
  refuse([](auto& args) { args.key_heads = 2; });
  refuse([](auto& args) { args.key_heads = -1; });
  refuse([](auto& args) { args.query_time_stride = -4; });
  refuse([](auto& args) { args.query_batch_stride = INT64_MAX; });
  refuse([](auto& args) { args.key_time_stride = -4; });
  refuse([](auto& args) { args.key_batch_stride = INT64_MAX; });
  refuse([](auto& args) { args.output_time_stride = INT64_MAX; });
  refuse([](auto& args) {
    args.causal = 1;
    args.key_time = 3;
  });
  refuse([](auto& args) { args.query = nullptr; });
  refuse([](auto& args) { args.key = nullptr; });
  refuse([](auto& args) { args.value = nullptr; });
  refuse([](auto& args) { args.log_sum_exp = nullptr; });
}

NAMP_ON_EVERY_DEVICE(AttentionTest);

}  // namespace
}  // namespace namp_test
