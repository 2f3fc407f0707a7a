// The traffic of a kernel without its arithmetic: exactly the stated bytes.
#include <memory>

#include "backend_test.h"

namespace namp_test {
namespace {

struct Column {
  int32_t dtype;
  int32_t access;
};

// The exclusive or of all elements' bits.
uint32_t checksum_of(const Buffer& buffer) {
  uint32_t sum = 0;
  for (int64_t i = 0; i < buffer.size(); ++i)
    sum ^= buffer.bits(i);
  return sum;
}

class TouchTest : public BackendTest {
 protected:
  // Touches one tensor of n elements with these columns, each at another alignment, and checks the
  // result.
  void expect_touch(int64_t n, const std::vector<Column>& columns) {
    std::vector<std::unique_ptr<Buffer>> buffers;
    std::vector<namp_cell> row;
    std::vector<int32_t> accesses;
    std::vector<std::vector<uint8_t>> before;
    uint32_t expected = 0;
    for (size_t c = 0; c < columns.size(); ++c) {
      const auto shift = (n + static_cast<int64_t>(3 * c)) % 5;
      const auto seed = static_cast<uint32_t>(n) + static_cast<uint32_t>(c);
      buffers.push_back(std::make_unique<Buffer>(device_, columns[c].dtype,
                                                 uniform_values(n, seed, -9, 9), shift));
      row.push_back(buffers[c]->cell());
      accesses.push_back(columns[c].access);
      before.push_back(buffers[c]->bytes());
      if ((columns[c].access & NAMP_ACCESS_READ) != 0) expected ^= checksum_of(*buffers[c]);
    }
    Table table(device_, {n}, {row});
    Value<uint32_t> checksum(device_, 77);
    ASSERT_EQ(namp_table_touch(checksum.data(), table, accesses.data(), nullptr), NAMP_OK)
        << namp_last_error_message();
    EXPECT_EQ(checksum.get(), expected) << n << " elements";
    for (size_t c = 0; c < columns.size(); ++c) {
      auto after = before[c];
      for (auto& byte : after) {
        if (columns[c].access == NAMP_ACCESS_WRITE) byte = 0;
        if (columns[c].access == NAMP_ACCESS_READ_WRITE) byte = static_cast<uint8_t>(~byte);
      }
      ASSERT_EQ(buffers[c]->bytes(), after) << n << " elements, column " << c;
      ASSERT_TRUE(buffers[c]->intact()) << n << " elements, column " << c;
    }
  }
};
class EventTest : public BackendTest {};

TEST_P(TouchTest, ReadsAndWritesWhatItSaysAndNothingElse) {
  for (int64_t n : lengths()) {
    for (const Setting& setting : device_.settings({n > 100 ? 3 : 1})) {
      device_.use(setting);
      expect_touch(n, {{NAMP_FLOAT32, NAMP_ACCESS_READ},
                       {NAMP_FLOAT16, NAMP_ACCESS_READ},
                       {NAMP_FLOAT32, NAMP_ACCESS_NONE},
                       {NAMP_FLOAT32, NAMP_ACCESS_READ_WRITE},
                       {NAMP_BFLOAT16, NAMP_ACCESS_READ_WRITE},
                       {NAMP_FLOAT32, NAMP_ACCESS_WRITE},
                       {NAMP_FLOAT16, NAMP_ACCESS_WRITE},
                       {NAMP_FLOAT8_E5M2, NAMP_ACCESS_READ_WRITE}});
      if (HasFatalFailure()) return;
    }
  }
}

// From 4 Mi elements on, columns that are only written bypass the CPU's cache, if their address
// allows it.
TEST_P(TouchTest, StreamsWhatIsLarge) {
  const int64_t many = device_.is_gpu() ? 5 * kChunk : (int64_t{4} << 20) + 6;
  for (const Setting& setting : device_.settings({2})) {
    device_.use(setting);
    for (int64_t n : {many, many + 13}) {
      if (is_sanitized() && n == many) continue;  // it takes long there
      expect_touch(n, {{NAMP_FLOAT32, NAMP_ACCESS_READ}, {NAMP_FLOAT16, NAMP_ACCESS_WRITE}});
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(TouchTest, LeavesOutNullCellsAndNeedsNoChecksum) {
  Buffer b(device_, NAMP_FLOAT32, uniform_values(9, 2, -1, 1));
  const auto complement = checksum_of(b);
  Table table(device_, {9, 9, 0}, {{namp_cell{}}, {b.cell()}, {namp_cell{}}});
  const int32_t accesses[] = {NAMP_ACCESS_READ_WRITE};
  Value<uint32_t> checksum(device_);
  ASSERT_EQ(namp_table_touch(nullptr, table, accesses, nullptr), NAMP_OK);
  const auto changed = b.bytes();
  ASSERT_EQ(namp_table_touch(checksum.data(), table, accesses, nullptr), NAMP_OK);
  EXPECT_NE(b.bytes(), changed);
  EXPECT_EQ(checksum.get(), ~complement);  // nine complements: an odd number of them
  EXPECT_EQ(checksum_of(b), complement);
}

TEST_P(EventTest, TimesWhatLiesBetween) {
  namp_event *from = nullptr, *to = nullptr;
  ASSERT_EQ(namp_event_create(&from, device_), NAMP_OK);
  ASSERT_EQ(namp_event_create(&to, device_), NAMP_OK);
  double seconds = -1;
  EXPECT_EQ(namp_event_elapsed(&seconds, from, to), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(seconds, -1);
  ASSERT_EQ(namp_event_record(from, nullptr), NAMP_OK);
  Buffer in(device_, NAMP_FLOAT32, 1 << 16), out(device_, NAMP_FLOAT16, 1 << 16);
  ASSERT_EQ(cast(device_, out.cell(), in.cell(), in.size()), NAMP_OK);
  ASSERT_EQ(namp_event_record(to, nullptr), NAMP_OK);
  ASSERT_EQ(namp_event_elapsed(&seconds, from, to), NAMP_OK);
  EXPECT_GT(seconds, 0);
  double back = 0;
  ASSERT_EQ(namp_event_elapsed(&back, to, from), NAMP_OK);
  EXPECT_EQ(back, -seconds);
  EXPECT_EQ(namp_device_close(device_), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(namp_last_error_message()).find("2 events"), std::string::npos);
  EXPECT_EQ(namp_event_destroy(from), NAMP_OK);
  EXPECT_EQ(namp_event_destroy(to), NAMP_OK);
  EXPECT_EQ(namp_event_destroy(nullptr), NAMP_OK);
}

NAMP_ON_EVERY_DEVICE(TouchTest);
NAMP_ON_EVERY_DEVICE(EventTest);

}  // namespace
}  // namespace namp_test
