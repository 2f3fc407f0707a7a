// The traffic of a kernel without its arithmetic: exactly the bytes that it says.
#include <memory>

#include "support.h"

namespace test {
namespace {

struct Column {
  int32_t dtype;
  int32_t access;
};

// The exclusive or of all elements' bits.
uint32_t checksum_of(const Buffer& buffer) {
  uint32_t sum = 0;
  for (int64_t i = 0; i < buffer.count(); ++i)
    sum ^= buffer.bits(i);
  return sum;
}

// Touches one tensor of n elements with these columns, each at another alignment, and looks.
void expect_touch(Device& device, int64_t n, const std::vector<Column>& columns) {
  std::vector<std::unique_ptr<Buffer>> buffers;
  std::vector<namp_cell> row;
  std::vector<int32_t> accesses;
  std::vector<std::vector<unsigned char>> before;
  uint32_t expected = 0;
  for (size_t c = 0; c < columns.size(); ++c) {
    const auto shift = (n + static_cast<int64_t>(3 * c)) % 5;
    buffers.push_back(std::make_unique<Buffer>(n, columns[c].dtype, shift));
    buffers[c]->fill_random(static_cast<uint32_t>(n) + static_cast<uint32_t>(c), -9, 9);
    row.push_back(cell(*buffers[c]));
    accesses.push_back(columns[c].access);
    before.push_back(buffers[c]->bytes());
    if ((columns[c].access & NAMP_ACCESS_READ) != 0) expected ^= checksum_of(*buffers[c]);
  }
  Table table(device, {n}, {row});
  uint32_t checksum = 77;
  ASSERT_EQ(namp_table_touch(&checksum, table, accesses.data(), nullptr), NAMP_OK)
      << namp_last_error_message();
  EXPECT_EQ(checksum, expected) << n << " elements";
  for (size_t c = 0; c < columns.size(); ++c) {
    auto after = before[c];
    for (auto& byte : after) {
      if (columns[c].access == NAMP_ACCESS_WRITE) byte = 0;
      if (columns[c].access == NAMP_ACCESS_READ_WRITE) byte = static_cast<unsigned char>(~byte);
    }
    ASSERT_EQ(buffers[c]->bytes(), after) << n << " elements, column " << c;
    ASSERT_TRUE(buffers[c]->intact()) << n << " elements, column " << c;
  }
}

TEST(Touch, ReadsAndWritesWhatItSaysAndNothingElse) {
  Device device;
  for (int32_t target : device.targets()) {
    for (int64_t n : lengths()) {
      device.use(target, n > 100 ? 3 : 1);
      expect_touch(device, n,
                   {{NAMP_FLOAT32, NAMP_ACCESS_READ},
                    {NAMP_FLOAT16, NAMP_ACCESS_READ},
                    {NAMP_FLOAT32, NAMP_ACCESS_NONE},
                    {NAMP_FLOAT32, NAMP_ACCESS_READ_WRITE},
                    {NAMP_BFLOAT16, NAMP_ACCESS_READ_WRITE},
                    {NAMP_FLOAT32, NAMP_ACCESS_WRITE},
                    {NAMP_FLOAT16, NAMP_ACCESS_WRITE}});
      if (HasFatalFailure()) return;
    }
  }
}

// From 4 Mi elements on, what is only written goes past the cache, where its address allows.
TEST(Touch, StreamsWhatIsLarge) {
  Device device;
  for (int32_t target : device.targets()) {
    device.use(target, 2);
    for (int64_t n : {int64_t{5} << 20, (int64_t{5} << 20) + 13}) {
      expect_touch(device, n,
                   {{NAMP_FLOAT32, NAMP_ACCESS_READ}, {NAMP_FLOAT16, NAMP_ACCESS_WRITE}});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Touch, LeavesOutNullCellsAndNeedsNoChecksum) {
  Device device;
  Buffer a(9, NAMP_FLOAT32), b(9, NAMP_FLOAT32);
  a.fill_random(1, -1, 1);
  b.fill_random(2, -1, 1);
  const auto complement = checksum_of(b);
  Table table(device, {9, 9, 0}, {{{nullptr, 0, 0}}, {cell(b)}, {{nullptr, 0, 0}}});
  const int32_t accesses[] = {NAMP_ACCESS_READ_WRITE};
  uint32_t checksum = 0;
  ASSERT_EQ(namp_table_touch(nullptr, table, accesses, nullptr), NAMP_OK);
  const auto changed = b.bytes();
  ASSERT_EQ(namp_table_touch(&checksum, table, accesses, nullptr), NAMP_OK);
  EXPECT_NE(b.bytes(), changed);
  EXPECT_EQ(checksum, ~complement);  // nine complements: an odd number of them
  EXPECT_EQ(checksum_of(b), complement);
}

TEST(Event, TimesWhatLiesBetween) {
  Device device;
  namp_event *from = nullptr, *to = nullptr;
  ASSERT_EQ(namp_event_create(&from, device), NAMP_OK);
  ASSERT_EQ(namp_event_create(&to, device), NAMP_OK);
  double seconds = -1;
  EXPECT_EQ(namp_event_elapsed(&seconds, from, to), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(seconds, -1);
  ASSERT_EQ(namp_event_record(from, nullptr), NAMP_OK);
  Buffer in(1 << 16, NAMP_FLOAT32), out(1 << 16, NAMP_FLOAT16);
  ASSERT_EQ(namp_cast(device, out.data(), NAMP_FLOAT16, in.data(), NAMP_FLOAT32, in.count(),
                      nullptr, nullptr),
            NAMP_OK);
  ASSERT_EQ(namp_event_record(to, nullptr), NAMP_OK);
  ASSERT_EQ(namp_event_elapsed(&seconds, from, to), NAMP_OK);
  EXPECT_GT(seconds, 0);
  double back = 0;
  ASSERT_EQ(namp_event_elapsed(&back, to, from), NAMP_OK);
  EXPECT_EQ(back, -seconds);
  EXPECT_EQ(namp_device_close(device), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(namp_last_error_message()).find("2 events"), std::string::npos);
  EXPECT_EQ(namp_event_destroy(from), NAMP_OK);
  EXPECT_EQ(namp_event_destroy(to), NAMP_OK);
  EXPECT_EQ(namp_event_destroy(nullptr), NAMP_OK);
}

}  // namespace
}  // namespace test
