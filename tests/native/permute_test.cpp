// namp_permute against its definition, index by index.
#include "backend_test.h"

#include <numeric>

namespace namp_test {
namespace {

class PermuteTest : public BackendTest {
 protected:
  void check(int32_t dtype, const std::vector<int64_t>& shape, const std::vector<int32_t>& perm) {
    std::string what = "shape";
    int64_t count = 1;
    for (int64_t size : shape) {
      what.append(" ").append(std::to_string(size));
      count *= size;
    }
    what += ", perm";
    for (int32_t p : perm)
      what.append(" ").append(std::to_string(p));
    SCOPED_TRACE(what + ", dtype " + std::to_string(dtype));
    std::vector<double> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(static_cast<double>(i % 251));
    Buffer in(device_, dtype, values, 1);
    Buffer out(device_, dtype, count, 3);
    const auto rank = static_cast<int32_t>(shape.size());
    run_everywhere(
        [&] {
          return namp_permute(device_, out.data(), in.data(), dtype, rank, shape.data(),
                              perm.data(), nullptr);
        },
        {&out});
    // Counts through the output, outermost dimension slowest.
    std::vector<int64_t> index(shape.size(), 0);
    for (int64_t o = 0; o < count; ++o) {
      int64_t from = 0;
      for (size_t d = 0; d < shape.size(); ++d) {
        size_t where = 0;
        while (perm[where] != static_cast<int32_t>(d))
          ++where;
        from = from * shape[d] + index[where];
      }
      ASSERT_EQ(out[o], in[from]) << "element " << o;
      for (size_t d = shape.size(); d-- > 0;) {
        if (++index[d] < shape[static_cast<size_t>(perm[d])]) break;
        index[d] = 0;
      }
    }
  }
};

TEST_P(PermuteTest, EveryPermutationOfEveryRank) {
  const std::vector<int64_t> sizes = {3, 2, 5, 1, 4, 2};
  for (int32_t rank = 1; rank <= 5; ++rank) {
    std::vector<int32_t> perm(static_cast<size_t>(rank));
    std::iota(perm.begin(), perm.end(), 0);
    const std::vector<int64_t> shape(sizes.begin(), sizes.begin() + rank);
    do {
      check(NAMP_FLOAT16, shape, perm);
    } while (std::next_permutation(perm.begin(), perm.end()));
  }
  check(NAMP_FLOAT32, sizes, {5, 3, 1, 0, 4, 2});
}

TEST_P(PermuteTest, TransposesOfEverySize) {
  for (int32_t dtype : {NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16, NAMP_INT32, NAMP_UINT8}) {
    for (int64_t rows : {1, 7, 8, 16, 31, 33, 64, 67}) {
      for (int64_t columns : {1, 5, 8, 17, 32, 65})
        check(dtype, {rows, columns}, {1, 0});
    }
    check(dtype, {300, 257}, {1, 0});
    check(dtype, {4, 33, 5, 16}, {0, 2, 1, 3});
    check(dtype, {3, 40, 4, 33}, {0, 2, 3, 1});
  }
}

TEST_P(PermuteTest, EmptyShapes) {
  EXPECT_EQ(
      namp_permute(device_, nullptr, nullptr, NAMP_FLOAT32, 2, std::vector<int64_t>{0, 3}.data(),
                   std::vector<int32_t>{1, 0}.data(), nullptr),
      NAMP_OK)
      << namp_last_error_message();
}

TEST_P(PermuteTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  float* p = data.floats();
  const auto refused = [&](int32_t status, void* out, const void* in, int32_t dtype,
                           std::vector<int64_t> shape, std::vector<int32_t> perm) {
    const auto rank = static_cast<int32_t>(shape.size());
    expect_refused(status,
                   namp_permute(device_, out, in, dtype, rank, shape.data(), perm.data(), nullptr),
                   {&data});
  };
  const auto invalid = NAMP_ERROR_INVALID_ARGUMENT;
  refused(invalid, nullptr, p, NAMP_FLOAT32, {2, 3}, {1, 0});
  refused(invalid, p, nullptr, NAMP_FLOAT32, {2, 3}, {1, 0});
  refused(invalid, p, p + 32, 0, {2, 3}, {1, 0});
  refused(invalid, p, p + 32, NAMP_FLOAT32, {2, 3}, {1, 1});
  refused(invalid, p, p + 32, NAMP_FLOAT32, {2, 3}, {0, 2});
  refused(invalid, p, p + 32, NAMP_FLOAT32, {2, 3}, {0, -1});
  refused(invalid, p, p + 32, NAMP_FLOAT32, {2, -3}, {0, 1});
  refused(invalid, p, p + 32, NAMP_FLOAT32, {INT64_MAX / 2, 3}, {0, 1});
  refused(invalid, p, p + 32, NAMP_FLOAT32, {}, {});
  refused(invalid, p, p + 32, NAMP_FLOAT32, {1, 1, 1, 1, 1, 1, 1}, {0, 1, 2, 3, 4, 5, 6});
  refused(NAMP_ERROR_MISALIGNED, reinterpret_cast<char*>(p) + 1, p + 32, NAMP_FLOAT16, {2, 3},
          {1, 0});
  const int64_t shape[] = {2, 3};
  const int32_t perm[] = {1, 0};
  expect_refused(invalid,
                 namp_permute(device_, p, p + 32, NAMP_FLOAT32, 2, nullptr, perm, nullptr));
  expect_refused(invalid,
                 namp_permute(device_, p, p + 32, NAMP_FLOAT32, 2, shape, nullptr, nullptr));
}

NAMP_ON_EVERY_DEVICE(PermuteTest);

}  // namespace
}  // namespace namp_test
