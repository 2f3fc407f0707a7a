// Checks of namp_table_touch, the memory traffic of a kernel without its arithmetic.
#include <string>

#include "abi/check.h"
#include "abi/table.h"
#include "abi/wall.h"

int32_t namp_table_touch(uint32_t* checksum, namp_table* table, const int32_t* accesses,
                         namp_stream stream) {
  return namp::wall([&] {
    namp_table& checked = namp::check_table(table);
    const namp::DeviceUse use(checked.device);
    namp::check_object(accesses, "accesses");
    if (checksum != nullptr) namp::check_object(checksum, "checksum");
    for (int32_t column = 0; column < checked.view.column_count; ++column) {
      const std::string name = "accesses[" + std::to_string(column) + "]";
      namp::check_range(accesses[column], NAMP_ACCESS_NONE, NAMP_ACCESS_READ_WRITE, name.c_str());
    }
    checked.use_on(stream);
    checked.device.backend->touch_table(checksum, checked.view, accesses, stream);
  });
}
