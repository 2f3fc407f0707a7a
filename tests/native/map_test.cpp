// namp_map, namp_reduce and namp_average_table against plain loops in double.
#include "backend_test.h"

#include <memory>

namespace namp_test {
namespace {

struct Function {
  int32_t value;
  bool reads_b;
  double low, high;  // of the operands
  double (*of)(double a, double b, double p, double q);
  float p, q;
};

const Function kFunctions[] = {
    {NAMP_FUNCTION_SCALE, false, -3, 3, [](double a, double, double p, double) { return p * a; },
     1.5f, 0},
    {NAMP_FUNCTION_ADD, true, -3, 3,
     [](double a, double b, double p, double q) { return p * a + q * b; }, 2, -0.5f},
    {NAMP_FUNCTION_MULTIPLY, true, -3, 3, [](double a, double b, double, double) { return a * b; },
     0, 0},
    {NAMP_FUNCTION_DIVIDE, true, 0.5, 3,
     [](double a, double b, double p, double) { return p * a / b; }, -2, 0},
    {NAMP_FUNCTION_EQUAL, true, 0.99, 1.01,
     [](double a, double b, double, double) { return a == b ? 1.0 : 0.0; }, 0, 0},
    {NAMP_FUNCTION_EXP, false, -8, 8, [](double a, double, double, double) { return std::exp(a); },
     0, 0},
    {NAMP_FUNCTION_LOG, false, 1e-3, 8,
     [](double a, double, double, double) { return std::log(a); }, 0, 0},
    {NAMP_FUNCTION_SQRT, false, 0, 8, [](double a, double, double, double) { return std::sqrt(a); },
     0, 0},
    {NAMP_FUNCTION_ABS, false, -3, 3, [](double a, double, double, double) { return std::fabs(a); },
     0, 0},
    {NAMP_FUNCTION_CLAMP, false, -3, 3,
     [](double a, double, double p, double q) { return std::fmin(std::fmax(a, p), q); }, -1, 1.5f},
    {NAMP_FUNCTION_POW, false, 0.1, 4,
     [](double a, double, double p, double) { return std::pow(a, p); }, 2.7f, 0},
    {NAMP_FUNCTION_SQRT_GRADIENT, true, 0.5, 3,
     [](double a, double b, double, double) { return a / (2 * b); }, 0, 0},
    {NAMP_FUNCTION_ABS_GRADIENT, true, -3, 3,
     [](double a, double b, double, double) { return b > 0   ? a
                                                     : b < 0 ? -a
                                                             : 0.0; }, 0, 0},
    {NAMP_FUNCTION_CLAMP_GRADIENT, true, -3, 3,
     [](double a, double b, double p, double q) { return b >= p && b <= q ? a : 0.0; }, -1, 1.5f},
    {NAMP_FUNCTION_POW_GRADIENT, true, 0.1, 4,
     [](double a, double b, double p, double) { return a * p * std::pow(b, p - 1); }, -1.3f, 0},
};

class MapTest : public BackendTest {
 protected:
  static namp_map_args arguments(const Function& function, const std::vector<int64_t>& shape) {
    auto args = make_args<namp_map_args>();
    args.function = function.value;
    args.rank = static_cast<int32_t>(shape.size());
    args.p = function.p;
    args.q = function.q;
    std::copy(shape.begin(), shape.end(), args.shape);
    return args;
  }

  // Strides of a dense tensor; of one that repeats along the dimensions that are not in keeps.
  static void dense(const std::vector<int64_t>& shape, int64_t* strides, unsigned keeps = ~0u) {
    int64_t stride = 1;
    for (size_t d = shape.size(); d-- > 0;) {
      const bool kept = (keeps >> d & 1u) != 0;
      strides[d] = kept ? stride : 0;
      if (kept) stride *= shape[d];
    }
  }

  static int64_t place(const std::vector<int64_t>& shape, const int64_t* strides, int64_t i) {
    int64_t at = 0;
    for (size_t d = shape.size(); d-- > 0;) {
      at += i % shape[d] * strides[d];
      i /= shape[d];
    }
    return at;
  }

  static int64_t count_of(const std::vector<int64_t>& shape, unsigned keeps = ~0u) {
    int64_t count = 1;
    for (size_t d = 0; d < shape.size(); ++d)
      count *= (keeps >> d & 1u) != 0 ? shape[d] : 1;
    return count;
  }

  void check(const Function& f, const std::vector<int64_t>& shape, unsigned keeps_a,
             unsigned keeps_b, const int32_t (&dtypes)[3]) {
    SCOPED_TRACE(testing::Message() << "function " << f.value << ", " << count_of(shape)
                                    << " elements, keeps " << keeps_a << " and " << keeps_b
                                    << ", dtypes " << dtypes[0] << dtypes[1] << dtypes[2]);
    Buffer a(device_, dtypes[1], uniform_values(count_of(shape, keeps_a), 1, f.low, f.high), 1);
    Buffer b(device_, dtypes[2], uniform_values(count_of(shape, keeps_b), 2, f.low, f.high), 2);
    Buffer out(device_, dtypes[0], count_of(shape), 3);
    namp_map_args args = arguments(f, shape);
    dense(shape, args.out_strides);
    dense(shape, args.a_strides, keeps_a);
    dense(shape, args.b_strides, keeps_b);
    args.out_dtype = dtypes[0];
    args.a_dtype = dtypes[1];
    args.b_dtype = dtypes[2];
    args.out = out.data();
    args.a = a.data();
    args.b = b.data();
    run_everywhere([&] { return namp_map(device_, &args, nullptr); }, {&out});
    std::vector<double> expected;
    for (int64_t i = 0; i < out.size(); ++i) {
      expected.push_back(f.of(a[place(shape, args.a_strides, i)],
                              b[place(shape, args.b_strides, i)], double{f.p}, double{f.q}));
    }
    expect_close(out, expected, dtypes[0] == NAMP_FLOAT16 ? 1e-6 : 1e-7, "map");
  }
};

TEST_P(MapTest, EveryFunctionAndDtype) {
  for (const Function& f : kFunctions) {
    for (const int64_t n : {0, 1, 7, 8, 17, 67, 2047, 2049, 17000})
      check(f, {n}, ~0u, ~0u, {NAMP_FLOAT32, NAMP_FLOAT32, NAMP_FLOAT32});
    check(f, {133}, ~0u, ~0u, {NAMP_FLOAT16, NAMP_FLOAT16, NAMP_FLOAT16});
    check(f, {133}, ~0u, ~0u, {NAMP_BFLOAT16, NAMP_FLOAT32, NAMP_FLOAT16});
    check(f, {133}, ~0u, ~0u, {NAMP_FLOAT32, NAMP_BFLOAT16, NAMP_FLOAT16});
    check(f, {}, ~0u, ~0u, {NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16});
  }
}

TEST_P(MapTest, EveryBroadcast) {
  const Function& divide = kFunctions[3];
  for (unsigned keeps_a = 0; keeps_a < 8; ++keeps_a) {
    for (unsigned keeps_b = 0; keeps_b < 8; ++keeps_b)
      check(divide, {5, 3, 19}, keeps_a, keeps_b, {NAMP_FLOAT32, NAMP_FLOAT16, NAMP_FLOAT32});
  }
  check(divide, {3, 1, 2, 5, 1, 4}, 0b101101u, 0b011011u,
        {NAMP_BFLOAT16, NAMP_FLOAT32, NAMP_BFLOAT16});
  check(divide, {70, 300}, 0b01u, 0b10u, {NAMP_FLOAT32, NAMP_FLOAT32, NAMP_FLOAT32});
}

// A part of a larger tensor is written, and what lies between its rows stays.
TEST_P(MapTest, PartsOfTensors) {
  for (const int32_t dtype : kFloats) {
    Buffer from(device_, dtype, random_values(4 * 9 * 6, 1));
    Buffer to(device_, dtype, std::vector<double>(4 * 11 * 6, 7.0));
    namp_map_args args = arguments(kFunctions[0], {4, 5, 6});
    args.p = 1;
    args.out_dtype = args.a_dtype = dtype;
    args.out_strides[0] = 66;
    args.a_strides[0] = 54;
    args.out_strides[1] = args.a_strides[1] = 6;
    args.out_strides[2] = args.a_strides[2] = 1;
    const auto bytes = static_cast<int64_t>(element_size(dtype));
    args.out = to.as<char>() + 3 * 6 * bytes;
    args.a = from.as<char>() + 2 * 6 * bytes;
    run_everywhere([&] { return namp_map(device_, &args, nullptr); }, {&to});
    for (int64_t i = 0; i < to.size(); ++i) {
      const int64_t o = i / 66, k = i % 66 / 6 - 3, j = i % 6;
      ASSERT_EQ(to[i], k >= 0 && k < 5 ? from[o * 54 + (k + 2) * 6 + j] : 7.0) << i;
    }
  }
}

// Steps other than 0 and 1 along the last dimension, of operands and of the output.
TEST_P(MapTest, Steps) {
  Buffer a(device_, NAMP_FLOAT16, random_values(60, 1));
  Buffer b(device_, NAMP_FLOAT32, random_values(60, 2));
  Buffer out(device_, NAMP_FLOAT32, std::vector<double>(80, 7.0));
  namp_map_args args = arguments(kFunctions[1], {4, 5});
  args.out_dtype = args.b_dtype = NAMP_FLOAT32;
  args.a_dtype = NAMP_FLOAT16;
  args.out_strides[0] = 20;
  args.out_strides[1] = 3;
  args.a_strides[0] = 1;  // transposed
  args.a_strides[1] = 4;
  args.b_strides[0] = 12;
  args.b_strides[1] = 2;
  args.out = out.data();
  args.a = a.data();
  args.b = b.data();
  run_everywhere([&] { return namp_map(device_, &args, nullptr); }, {&out});
  for (int64_t i = 0; i < 80; ++i) {
    const int64_t row = i / 20, column = i % 20 / 3;
    const bool written = i % 20 % 3 == 0 && column < 5;
    const double expected =
        written ? 2 * a[row + 4 * column] - 0.5 * b[row * 12 + 2 * column] : 7.0;
    ASSERT_NEAR(out[i], expected, 1e-5) << i;
  }
}

// Within two units in the last place of the nearest float, over all of float32; and C's special values.
TEST_P(MapTest, PowersAreExactToTheLastPlaces) {
  std::vector<double> bases{0.0, -0.0, kInfinity, -kInfinity, kNaN,           1, -1,       -2,
                            2,   -1.5, 0x1p-149,  0x1p-130,   0x1.fffffep127, 3, 0.999999, 1.000001,
                            -3};
  std::mt19937 engine(3);
  for (int i = 0; i < 400; ++i)
    bases.push_back(std::ldexp(1.0 + static_cast<double>(engine() % 8388608u) / 8388608.0,
                               static_cast<int>(engine() % 252u) - 126));
  Buffer a(device_, NAMP_FLOAT32, bases);
  Buffer out(device_, NAMP_FLOAT32, a.size());
  for (const float exponent :
       {0.0f, 1.0f,  2.0f, 3.0f,     -1.0f, -2.0f,   0.5f,   -0.5f, 4.0f, 5.0f,   -3.0f,    1.5f,
        2.7f, -1.3f, 0.1f, 1.0f / 3, 17.0f, -40.25f, 100.0f, 1e-6f, 1e9f, -3e38f, 0x1.8p23f}) {
    SCOPED_TRACE(exponent);
    namp_map_args args = arguments(kFunctions[10], {a.size()});
    args.p = exponent;
    args.out_dtype = args.a_dtype = NAMP_FLOAT32;
    args.out_strides[0] = args.a_strides[0] = 1;
    args.out = out.data();
    args.a = a.data();
    run_everywhere([&] { return namp_map(device_, &args, nullptr); }, {&out});
    const bool is_root = std::fabs(exponent) == 0.5f;
    for (int64_t i = 0; i < a.size(); ++i) {
      double expected = std::pow(a[i], static_cast<double>(exponent));
      // A square root: NaN of -infinity, and of -0 it is -0.
      if (is_root && std::isinf(a[i]) && a[i] < 0) expected = kNaN;
      if (is_root && exponent < 0 && a[i] == 0 && std::signbit(a[i])) expected = -kInfinity;
      const double nearest = rounded(expected, NAMP_FLOAT32);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(out[i])) << a[i];
      } else if (std::isinf(nearest) || std::isinf(out[i])) {
        // The last numbers before overflow are within two units of infinity.
        if (std::fabs(expected) < 0x1.fffff8p127 || std::fabs(expected) > 0x1.00001p128) {
          ASSERT_EQ(out[i], nearest) << a[i];
        }
      } else {
        const double unit =
            std::ldexp(1.0, std::max(std::ilogb(nearest == 0 ? 0x1p-149 : nearest), -126) - 23);
        ASSERT_NEAR(out[i], nearest, 2 * unit) << a[i];
        if (nearest != 0 && out[i] != 0) {
          ASSERT_EQ(std::signbit(out[i]), std::signbit(nearest));
        }
      }
    }
  }
}

TEST_P(MapTest, SpecialValues) {
  Buffer a(device_, NAMP_FLOAT32, {kNaN, kInfinity, -kInfinity, 0, -0.0, -1, 2, 2.5});
  Buffer out(device_, NAMP_FLOAT32, a.size());
  const auto run = [&](int32_t function, float p, float q) {
    namp_map_args args = arguments(kFunctions[0], {a.size()});
    args.function = function;
    args.p = p;
    args.q = q;
    args.out_dtype = args.a_dtype = NAMP_FLOAT32;
    args.out_strides[0] = args.a_strides[0] = 1;
    args.out = out.data();
    args.a = a.data();
    run_everywhere([&] { return namp_map(device_, &args, nullptr); }, {&out});
  };
  run(NAMP_FUNCTION_CLAMP, -0.5f, 2);
  expect_close(out, {kNaN, 2, -0.5, 0, 0, -0.5, 2, 2}, 0, "clamp");
  run(NAMP_FUNCTION_CLAMP, 3, 1);
  expect_close(out, {kNaN, 1, 1, 1, 1, 1, 1, 1}, 0, "bounds in the wrong order");
  run(NAMP_FUNCTION_LOG, 0, 0);
  expect_close(out,
               {kNaN, kInfinity, kNaN, -kInfinity, -kInfinity, kNaN, std::log(2), std::log(2.5)}, 0,
               "log");
  run(NAMP_FUNCTION_SQRT, 0, 0);
  expect_close(out, {kNaN, kInfinity, kNaN, 0, 0, kNaN, std::sqrt(2), std::sqrt(2.5)}, 0, "sqrt");
  run(NAMP_FUNCTION_EXP, 0, 0);
  expect_close(out, {kNaN, kInfinity, 0, 1, 1, std::exp(-1), std::exp(2), std::exp(2.5)}, 0, "exp");
}

TEST_P(MapTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  namp_map_args good = arguments(kFunctions[1], {2, 3});
  good.out_dtype = good.a_dtype = good.b_dtype = NAMP_FLOAT32;
  dense({2, 3}, good.out_strides);
  dense({2, 3}, good.a_strides);
  dense({2, 3}, good.b_strides);
  good.out = data.floats();
  good.a = data.floats() + 16;
  good.b = data.floats() + 32;
  using Args = namp_map_args;
  const auto refused = [&](auto change, int32_t status = NAMP_ERROR_INVALID_ARGUMENT) {
    Args args = good;
    change(args);
    expect_refused(status, namp_map(device_, &args, nullptr), {&data});
  };
  refused([](Args& a) { a.struct_size = 1; });
  refused([](Args& a) { a.function = 0; });
  refused([](Args& a) { a.function = 16; });
  refused([](Args& a) { a.out_dtype = NAMP_INT32; });
  refused([](Args& a) { a.a_dtype = NAMP_FLOAT8_E4M3; });
  refused([](Args& a) { a.b_dtype = 0; });
  refused([](Args& a) { a.rank = -1; });
  refused([](Args& a) { a.rank = 7; });
  refused([](Args& a) { a.shape[0] = -2; });
  refused([](Args& a) { a.shape[1] = INT64_MAX; });
  refused([](Args& a) { a.out_strides[1] = 0; });
  refused([](Args& a) { a.out_strides[0] = 2; });
  refused([](Args& a) { a.out_strides[0] = -3; });
  refused([](Args& a) { a.a_strides[0] = -1; });
  refused([](Args& a) { a.b_strides[1] = INT64_MAX; });
  refused([](Args& a) { a.b_strides[1] = int64_t{1} << 58; });
  refused([](Args& a) { a.out = nullptr; });
  refused([](Args& a) { a.a = nullptr; });
  refused([](Args& a) { a.b = nullptr; });
  refused([](Args& a) { a.b = static_cast<const char*>(a.b) + 1; }, NAMP_ERROR_MISALIGNED);
  refused([](Args& a) {
    a.function = NAMP_FUNCTION_CLAMP;
    a.q = std::numeric_limits<float>::quiet_NaN();
  });
  refused([](Args& a) {
    a.function = NAMP_FUNCTION_POW;
    a.p = std::numeric_limits<float>::infinity();
  });
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_map(device_, nullptr, nullptr));
}

class ReduceTest : public BackendTest {
 protected:
  void check(int32_t reduction, int64_t outer, int64_t count, int64_t inner, int32_t in_dtype,
             int32_t out_dtype, bool accumulate = false) {
    SCOPED_TRACE(testing::Message()
                 << "reduction " << reduction << " of " << outer << " x " << count << " x " << inner
                 << ", dtypes " << in_dtype << out_dtype);
    Buffer in(device_, in_dtype, uniform_values(outer * count * inner, 3, -2, 3), 1);
    Buffer out(device_, out_dtype, uniform_values(outer * inner, 4, -2, 2), 3);
    auto args = make_args<namp_reduce_args>();
    args.reduction = reduction;
    args.in_dtype = in_dtype;
    args.out_dtype = out_dtype;
    args.alpha = 0.75f;
    args.accumulate = accumulate ? 1 : 0;
    args.outer = outer;
    args.count = count;
    args.inner = inner;
    args.out = out.data();
    args.in = in.data();
    std::vector<double> expected;
    double largest = 0;
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        double sum = 0, maximum = -kInfinity;
        for (int64_t k = 0; k < count; ++k) {
          sum += in[(o * count + k) * inner + i];
          maximum = std::fmax(maximum, in[(o * count + k) * inner + i]);
        }
        const double old = accumulate ? out[o * inner + i] : 0.0;
        expected.push_back(reduction == NAMP_REDUCTION_SUM ? 0.75 * sum + old : maximum);
        largest = std::fmax(largest, std::fabs(sum));
      }
    }
    run_everywhere([&] { return namp_reduce(device_, &args, nullptr); }, {&out});
    expect_close(out, expected, reduction == NAMP_REDUCTION_SUM ? 1e-5 + 1e-6 * largest : 0,
                 "reduce");
  }
};

TEST_P(ReduceTest, EveryShapeAndDtype) {
  for (const int32_t reduction : {NAMP_REDUCTION_SUM, NAMP_REDUCTION_MAX}) {
    for (const int64_t outer : {1, 2, 5}) {
      for (const int64_t count : {1, 2, 7, 67, 300}) {
        for (const int64_t inner : {1, 3, 8, 17, 67})
          check(reduction, outer, count, inner, NAMP_FLOAT32, NAMP_FLOAT32);
      }
    }
    for (const int32_t in : kFloats) {
      for (const int32_t out : kFloats)
        check(reduction, 3, 9, 21, in, out);
    }
    check(reduction, 2, 3, 2500, NAMP_FLOAT16, NAMP_FLOAT32);
    check(reduction, 0, 3, 5, NAMP_FLOAT32, NAMP_FLOAT32);
    check(reduction, 3, 3, 0, NAMP_FLOAT32, NAMP_FLOAT32);
  }
  for (const int64_t inner : {1, 9})
    check(NAMP_REDUCTION_SUM, 3, 12, inner, NAMP_BFLOAT16, NAMP_FLOAT32, true);
  for (const int64_t inner : {1, 9})
    check(NAMP_REDUCTION_SUM, 3, 0, inner, NAMP_FLOAT32, NAMP_FLOAT32);
}

// A NaN is the largest, and 0 is above -0, at any place.
TEST_P(ReduceTest, LargestOfSpecialValues) {
  for (const int64_t inner : {1, 3}) {
    for (int64_t place = 0; place < 40; ++place) {
      std::vector<double> values(static_cast<size_t>(40 * inner), -kInfinity);
      std::vector<double> zeros(values.size(), -0.0);
      for (int64_t i = 0; i < inner; ++i) {
        values[static_cast<size_t>(place * inner + i)] = kNaN;
        values[static_cast<size_t>((39 - place) * inner + i)] += 0;
        zeros[static_cast<size_t>(place * inner + i)] = 0.0;
      }
      for (const bool is_nan : {true, false}) {
        Buffer in(device_, NAMP_FLOAT32, is_nan ? values : zeros);
        Buffer out(device_, NAMP_FLOAT32, inner);
        auto args = make_args<namp_reduce_args>();
        args.reduction = NAMP_REDUCTION_MAX;
        args.in_dtype = args.out_dtype = NAMP_FLOAT32;
        args.outer = 1;
        args.count = 40;
        args.inner = inner;
        args.out = out.data();
        args.in = in.data();
        ASSERT_EQ(namp_reduce(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
        for (int64_t i = 0; i < inner; ++i) {
          if (is_nan) {
            ASSERT_TRUE(std::isnan(out[i])) << place;
          } else {
            ASSERT_EQ(out.bits(i), 0u) << place;
          }
        }
      }
    }
  }
}

TEST_P(ReduceTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  auto good = make_args<namp_reduce_args>();
  good.reduction = NAMP_REDUCTION_SUM;
  good.in_dtype = good.out_dtype = NAMP_FLOAT32;
  good.outer = 2;
  good.count = good.inner = 3;
  good.out = data.floats();
  good.in = data.floats() + 16;
  using Args = namp_reduce_args;
  const auto refused = [&](auto change, int32_t status = NAMP_ERROR_INVALID_ARGUMENT) {
    Args args = good;
    change(args);
    expect_refused(status, namp_reduce(device_, &args, nullptr), {&data});
  };
  refused([](Args& a) { a.struct_size = 1; });
  refused([](Args& a) { a.reduction = 0; });
  refused([](Args& a) { a.reduction = 3; });
  refused([](Args& a) { a.in_dtype = NAMP_UINT8; });
  refused([](Args& a) { a.out_dtype = 77; });
  refused([](Args& a) { a.accumulate = 2; });
  refused([](Args& a) { a.outer = -1; });
  refused([](Args& a) { a.count = INT64_MAX; });
  refused([](Args& a) { a.inner = -3; });
  refused([](Args& a) {
    a.reduction = NAMP_REDUCTION_MAX;
    a.accumulate = 1;
  });
  refused([](Args& a) {
    a.reduction = NAMP_REDUCTION_MAX;
    a.count = 0;
  });
  refused([](Args& a) { a.out = nullptr; });
  refused([](Args& a) { a.in = nullptr; });
  refused([](Args& a) { a.in = static_cast<const char*>(a.in) + 1; }, NAMP_ERROR_MISALIGNED);
}

class AverageTest : public BackendTest {};

TEST_P(AverageTest, MovesEveryTensorOfATable) {
  for (const int32_t dtype : kFloats) {
    for (const float weight : {0.0f, 0.001f, 0.5f, 1.0f}) {
      SCOPED_TRACE(testing::Message() << "dtype " << dtype << ", weight " << weight);
      const std::vector<int64_t> counts{1, 0, 67, kChunk + 5, 9};
      std::vector<std::unique_ptr<Buffer>> averages, values;
      std::vector<std::vector<namp_cell>> rows;
      std::vector<Buffer*> outputs;
      for (const int64_t n : counts) {
        averages.push_back(std::make_unique<Buffer>(device_, NAMP_FLOAT32, random_values(n, 1), 1));
        values.push_back(std::make_unique<Buffer>(device_, dtype, random_values(n, 2), 3));
        const bool left_out = n == 9;
        rows.push_back({left_out ? namp_cell{} : averages.back()->cell(), values.back()->cell()});
        outputs.push_back(averages.back().get());
      }
      Table table(device_, counts, rows);
      std::vector<std::vector<double>> before;
      for (const auto& average : averages)
        before.push_back(average->values());
      run_everywhere([&] { return namp_average_table(table, 0, 1, weight, nullptr); }, outputs);
      for (size_t t = 0; t < counts.size(); ++t) {
        for (int64_t i = 0; i < counts[t]; ++i) {
          const double old = before[t][static_cast<size_t>(i)];
          const auto value = static_cast<float>((*values[t])[i]);
          const auto difference = static_cast<float>(value - static_cast<float>(old));
          float expected = multiplied_and_added(difference, weight, static_cast<float>(old));
          if (weight == 1.0f) expected = value;
          if (counts[t] == 9) expected = static_cast<float>(old);
          ASSERT_EQ((*averages[t])[i], static_cast<double>(expected)) << t << ", " << i;
        }
      }
    }
  }
}

TEST_P(AverageTest, RefusesBadArguments) {
  Buffer average(device_, NAMP_FLOAT32, {1, 2});
  Buffer half(device_, NAMP_FLOAT16, {1, 2});
  Buffer value(device_, NAMP_FLOAT32, {3, 4});
  Table table(device_, {2}, {{average.cell(), value.cell(), half.cell(), namp_cell{}}});
  const auto refused = [&](int32_t to, int32_t from, float weight) {
    expect_refused(NAMP_ERROR_INVALID_ARGUMENT,
                   namp_average_table(table, to, from, weight, nullptr), {&average, &half, &value});
  };
  refused(-1, 1, 0.5f);
  refused(0, 4, 0.5f);
  refused(0, 0, 0.5f);
  refused(0, 1, -0.1f);
  refused(0, 1, 1.1f);
  refused(0, 1, std::numeric_limits<float>::quiet_NaN());
  refused(2, 1, 0.5f);
  refused(0, 3, 0.5f);
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_average_table(nullptr, 0, 1, 0.5f, nullptr));
}

NAMP_ON_EVERY_DEVICE(MapTest);
NAMP_ON_EVERY_DEVICE(ReduceTest);
NAMP_ON_EVERY_DEVICE(AverageTest);

}  // namespace
}  // namespace namp_test
