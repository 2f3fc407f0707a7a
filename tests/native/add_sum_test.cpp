// namp_add, namp_multiply and namp_sum against plain loops in double.
#include "backend_test.h"

namespace namp_test {
namespace {

class AddTest : public BackendTest {
 protected:
  void check(int32_t out_dtype, int32_t a_dtype, int32_t b_dtype, int64_t count, int64_t period,
             bool with_b = true) {
    SCOPED_TRACE("dtypes " + std::to_string(out_dtype) + std::to_string(a_dtype) +
                 std::to_string(b_dtype) + ", count " + std::to_string(count) + ", period " +
                 std::to_string(period));
    Buffer a(device_, a_dtype, random_values(count, 1), 1);
    Buffer b(device_, b_dtype, random_values(period, 2), 2);
    Buffer out(device_, out_dtype, count, 3);
    auto args = make_args<namp_add_args>();
    args.out_dtype = out_dtype;
    args.a_dtype = a_dtype;
    args.b_dtype = b_dtype;
    args.alpha = 1.5F;
    args.beta = -0.7F;
    args.count = count;
    args.b_period = period;
    args.out = out.data();
    args.a = a.data();
    args.b = with_b ? b.data() : nullptr;
    run_everywhere([&] { return namp_add(device_, &args, nullptr); }, {&out});
    std::vector<double> expected;
    for (int64_t i = 0; i < count; ++i) {
      expected.push_back(double{args.alpha} * a[i] +
                         (with_b ? double{args.beta} * b[i % period] : 0.0));
    }
    expect_close(out, expected, 1e-6, "sum");
  }
};

TEST_P(AddTest, EveryDtypeTriple) {
  for (int32_t out : kFloats) {
    for (int32_t a : kFloats) {
      for (int32_t b : kFloats) {
        for (int64_t count : {0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 63, 64, 65, 67, 1001, 17000}) {
          check(out, a, b, count, count);
        }
        check(out, a, b, 67, 67, false);
      }
    }
  }
}

TEST_P(AddTest, EveryPeriod) {
  for (int64_t period : every(1, 67)) {
    check(NAMP_BFLOAT16, NAMP_BFLOAT16, NAMP_FLOAT32, period * 13, period);
    check(NAMP_FLOAT32, NAMP_FLOAT32, NAMP_FLOAT16, period * 400, period);
  }
  check(NAMP_FLOAT16, NAMP_FLOAT16, NAMP_FLOAT16, 300 * 257, 257);
  check(NAMP_FLOAT32, NAMP_FLOAT16, NAMP_FLOAT16, 2 * 40000, 40000);
}

TEST_P(AddTest, WorksInPlaceOfEither) {
  Buffer a(device_, NAMP_FLOAT16, random_values(1003, 1), 1);
  Buffer b(device_, NAMP_FLOAT16, random_values(1003, 2), 1);
  std::vector<double> expected;
  for (int64_t i = 0; i < a.size(); ++i)
    expected.push_back(a[i] + b[i]);
  for (Buffer* out : {&a, &b}) {
    a.restore();
    b.restore();
    auto args = make_args<namp_add_args>();
    args.out_dtype = args.a_dtype = args.b_dtype = NAMP_FLOAT16;
    args.alpha = args.beta = 1;
    args.count = args.b_period = a.size();
    args.out = out->data();
    args.a = a.data();
    args.b = b.data();
    run_everywhere([&] { return namp_add(device_, &args, nullptr); }, {out});
    expect_close(*out, expected, 0, "in place");
  }
}

TEST_P(AddTest, InfinityAndNaN) {
  Buffer a(device_, NAMP_FLOAT32, {kInfinity, kInfinity, kNaN, 1e30, 65520.0});
  Buffer b(device_, NAMP_FLOAT32, {1, -kInfinity, 1, 1e30, 0});
  Buffer out(device_, NAMP_FLOAT16, 5);
  auto args = make_args<namp_add_args>();
  args.out_dtype = NAMP_FLOAT16;
  args.a_dtype = args.b_dtype = NAMP_FLOAT32;
  args.alpha = args.beta = 1;
  args.count = args.b_period = 5;
  args.out = out.data();
  args.a = a.data();
  args.b = b.data();
  run_everywhere([&] { return namp_add(device_, &args, nullptr); }, {&out});
  EXPECT_EQ(out[0], kInfinity);
  EXPECT_TRUE(std::isnan(out[1]));
  EXPECT_TRUE(std::isnan(out[2]));
  EXPECT_EQ(out[3], kInfinity);
  EXPECT_EQ(out[4], kInfinity);
}

TEST_P(AddTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  auto good = make_args<namp_add_args>();
  good.out_dtype = good.a_dtype = good.b_dtype = NAMP_FLOAT32;
  good.count = 8;
  good.b_period = 4;
  good.out = data.floats();
  good.a = data.floats() + 16;
  good.b = data.floats() + 32;
  const auto refused = [&](int32_t status, auto change) {
    namp_add_args args = good;
    change(args);
    expect_refused(status, namp_add(device_, &args, nullptr), {&data});
  };
  using Args = namp_add_args;
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.struct_size = 1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.out_dtype = NAMP_UINT8; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.a_dtype = 0; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.b_dtype = 9; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.count = -8; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.count = INT64_MAX; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.b_period = 0; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.b_period = -4; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.b_period = 3; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.a = nullptr; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.out = nullptr; });
  refused(NAMP_ERROR_MISALIGNED, [](Args& a) { a.b = static_cast<const char*>(a.b) + 1; });
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_add(device_, nullptr, nullptr));
}

class MultiplyTest : public BackendTest {
 protected:
  static namp_multiply_args arguments(Buffer& out, const Buffer& a, const Buffer& b) {
    auto args = make_args<namp_multiply_args>();
    args.dtype = out.dtype();
    args.count = a.size();
    args.b_period = b.size();
    args.out = out.data();
    args.a = a.data();
    args.b = b.data();
    return args;
  }

  void check(int32_t dtype, int64_t count, int64_t period) {
    SCOPED_TRACE("dtype " + std::to_string(dtype) + ", count " + std::to_string(count) +
                 ", period " + std::to_string(period));
    Buffer a(device_, dtype, random_values(count, 1), 1);
    Buffer b(device_, dtype, random_values(period, 2), 2);
    Buffer out(device_, dtype, count, 3);
    const auto args = arguments(out, a, b);
    run_everywhere([&] { return namp_multiply(device_, &args, nullptr); }, {&out});
    // The product of two numbers of 24 bits is exact in double.
    for (int64_t i = 0; i < count; ++i)
      ASSERT_EQ(out.bits(i), encode(a[i] * b[i % period], dtype)) << i;
  }
};

TEST_P(MultiplyTest, RoundsTheExactProductOnce) {
  for (int32_t dtype : kFloats) {
    for (int64_t count : {0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 63, 64, 65, 67, 1001, 17000})
      check(dtype, count, count);
    for (int64_t period : {1, 2, 7, 16, 67, 511, 513})
      check(dtype, period * 41, period);
  }
}

TEST_P(MultiplyTest, WorksInPlaceOfEither) {
  Buffer a(device_, NAMP_BFLOAT16, random_values(1003, 1), 1);
  Buffer b(device_, NAMP_BFLOAT16, random_values(1003, 2), 1);
  std::vector<double> expected;
  for (int64_t i = 0; i < a.size(); ++i)
    expected.push_back(a[i] * b[i]);
  for (Buffer* out : {&a, &b}) {
    a.restore();
    b.restore();
    const auto args = arguments(*out, a, b);
    run_everywhere([&] { return namp_multiply(device_, &args, nullptr); }, {out});
    expect_close(*out, expected, 0, "in place");
  }
}

TEST_P(MultiplyTest, RefusesWhatDoesNotFit) {
  Buffer a(device_, NAMP_FLOAT16, random_values(6, 1));
  Buffer b(device_, NAMP_FLOAT16, random_values(4, 2));
  Buffer out(device_, NAMP_FLOAT16, 6);
  const auto refused = [&](const char* part, auto spoil) {
    auto args = arguments(out, a, b);
    args.b_period = 3;
    spoil(args);
    EXPECT_EQ(namp_multiply(device_, &args, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(std::string(namp_last_error_message()).find(part), std::string::npos)
        << namp_last_error_message();
  };
  refused("args->b_period is 4; it must divide args->count, which is 6",
          [](auto& args) { args.b_period = 4; });
  refused("args->b_period is 0", [](auto& args) { args.b_period = 0; });
  refused("args->dtype", [](auto& args) { args.dtype = NAMP_FLOAT8_E4M3; });
  refused("args->b", [](auto& args) { args.b = nullptr; });
}

class SumTest : public BackendTest {
 protected:
  void check(int32_t out_dtype, int32_t in_dtype, int64_t outer, int64_t channels, int64_t inner,
             bool accumulate = false) {
    SCOPED_TRACE("dtypes " + std::to_string(out_dtype) + std::to_string(in_dtype) + ", " +
                 std::to_string(outer) + " x " + std::to_string(channels) + " x " +
                 std::to_string(inner));
    Buffer in(device_, in_dtype, random_values(outer * channels * inner, 1), 1);
    Buffer out(device_, out_dtype, random_values(channels, 2), 3);
    const std::vector<double> before = out.values();
    auto args = make_args<namp_sum_args>();
    args.out_dtype = out_dtype;
    args.in_dtype = in_dtype;
    args.alpha = 0.5F;
    args.outer = outer;
    args.channels = channels;
    args.inner = inner;
    args.out = out.data();
    args.in = in.data();
    args.accumulate = accumulate ? 1 : 0;
    run_everywhere([&] { return namp_sum(device_, &args, nullptr); }, {&out});
    std::vector<double> expected;
    for (int64_t c = 0; c < channels; ++c) {
      double sum = 0;
      for (int64_t o = 0; o < outer; ++o) {
        for (int64_t i = 0; i < inner; ++i)
          sum += in[(o * channels + c) * inner + i];
      }
      expected.push_back(0.5 * sum + (accumulate ? before[static_cast<size_t>(c)] : 0.0));
    }
    expect_close(out, expected, 1e-6 * (1 + std::sqrt(static_cast<double>(outer * inner))), "sum");
  }
};

TEST_P(SumTest, OfColumns) {
  for (int32_t out : kFloats) {
    for (int32_t in : kFloats) {
      for (int64_t channels : every(1, 67)) {
        check(out, in, 1 + channels % 7, channels, 1, channels % 2 == 0);
      }
      if (is_slow()) continue;
      check(out, in, 2049, 257, 1);
      check(out, in, 100000, 3, 1);
      check(out, in, 3, 20001, 1);
    }
  }
}

TEST_P(SumTest, OfPlanes) {
  for (int32_t in : kFloats) {
    for (int64_t inner : every(2, 67)) {
      check(NAMP_FLOAT32, in, 3, 5, inner, inner % 2 == 0);
    }
    check(NAMP_FLOAT16, in, 33, 17, 196);
    check(NAMP_FLOAT32, in, 2, 3, 40001);
    check(NAMP_FLOAT32, in, 1, 1, 300001);
    check(NAMP_FLOAT32, in, 20001, 2, 3);
  }
}

// Added one after the other, terms would lose most of their digits beyond 1.
TEST_P(SumTest, LongSumsKeepTheirDigits) {
  constexpr int64_t kTerms = 600000;
  Buffer in(device_, NAMP_FLOAT32, std::vector<double>(kTerms, 1.0004));
  Buffer out(device_, NAMP_FLOAT32, 1);
  const double sum = static_cast<double>(kTerms) * in[0];
  for (int64_t inner : {int64_t{1}, kTerms / 100}) {
    auto args = make_args<namp_sum_args>();
    args.out_dtype = args.in_dtype = NAMP_FLOAT32;
    args.alpha = 1;
    args.outer = kTerms / inner;
    args.channels = 1;
    args.inner = inner;
    args.out = out.data();
    args.in = in.data();
    run_everywhere([&] { return namp_sum(device_, &args, nullptr); }, {&out});
    EXPECT_NEAR(out[0] / sum, 1.0, 5e-5) << inner;
  }
}

TEST_P(SumTest, OfNothingIsZero) {
  check(NAMP_FLOAT32, NAMP_FLOAT16, 0, 5, 3);
  check(NAMP_FLOAT16, NAMP_FLOAT32, 4, 5, 0, true);
  check(NAMP_FLOAT32, NAMP_FLOAT32, 3, 0, 3);
  check(NAMP_FLOAT32, NAMP_FLOAT32, 0, 3, 1);
}

TEST_P(SumTest, NaNStaysInItsChannel) {
  for (int64_t inner : {1, 6}) {
    std::vector<double> values = random_values(50 * 3 * inner, 1);
    values[static_cast<size_t>(30 * 3 * inner + inner)] = kNaN;
    Buffer in(device_, NAMP_BFLOAT16, values);
    Buffer out(device_, NAMP_FLOAT32, 3);
    auto args = make_args<namp_sum_args>();
    args.out_dtype = NAMP_FLOAT32;
    args.in_dtype = NAMP_BFLOAT16;
    args.alpha = 1;
    args.outer = 50;
    args.channels = 3;
    args.inner = inner;
    args.out = out.data();
    args.in = in.data();
    run_everywhere([&] { return namp_sum(device_, &args, nullptr); }, {&out});
    EXPECT_FALSE(std::isnan(out[0]));
    EXPECT_TRUE(std::isnan(out[1]));
    EXPECT_FALSE(std::isnan(out[2]));
  }
}

TEST_P(SumTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  auto good = make_args<namp_sum_args>();
  good.out_dtype = good.in_dtype = NAMP_FLOAT32;
  good.outer = good.channels = good.inner = 2;
  good.out = data.floats();
  good.in = data.floats() + 16;
  const auto refused = [&](int32_t status, auto change) {
    namp_sum_args args = good;
    change(args);
    expect_refused(status, namp_sum(device_, &args, nullptr), {&data});
  };
  using Args = namp_sum_args;
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.struct_size = 1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.out_dtype = NAMP_INT32; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.in_dtype = 0; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.outer = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.channels = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.inner = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.inner = INT64_MAX / 2; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.accumulate = 3; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.in = nullptr; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.out = nullptr; });
  refused(NAMP_ERROR_MISALIGNED, [](Args& a) { a.in = static_cast<const char*>(a.in) + 2; });
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_sum(device_, nullptr, nullptr));
}

NAMP_ON_EVERY_DEVICE(AddTest);
NAMP_ON_EVERY_DEVICE(MultiplyTest);
NAMP_ON_EVERY_DEVICE(SumTest);

}  // namespace
}  // namespace namp_test
