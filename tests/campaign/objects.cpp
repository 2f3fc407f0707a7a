// Calls about the library, devices, streams, events, memory and tables.
#include "call.h"
#include "table.h"

namespace namp_campaign {
namespace {

// Memory for an output or an input of a call, in a block of exactly its size.
template <class T>
T& value(Call& c, T first = T{}) {
  auto* made = static_cast<T*>(c.block(sizeof(T)));
  *made = first;
  return *made;
}

// A pointer to such memory, which can be null or misaligned.
template <class T>
T*& room(Call& c, T first = T{}) {
  T*& pointer = value<T*>(c, &value<T>(c, first));
  c.wrong([&pointer] {
    pointer = nullptr;
    return true;
  });
  c.wrong([&c, &pointer] { return c.misalign(pointer); });
  return pointer;
}

int32_t answered(bool right) { return right ? NAMP_OK : NAMP_ERROR_INTERNAL; }

void library(Call& c) {
  c.takes_device = false;
  switch (c.random.below(5)) {
    case 0:
      return c.make("namp_abi_version",
                    [] { return answered(namp_abi_version() == NAMP_ABI_VERSION); });
    case 1:
      return c.make("namp_version", [] { return answered(namp_version() != nullptr); });
    case 2:
      return c.make("namp_last_error_message",
                    [] { return answered(namp_last_error_message() != nullptr); });
    case 3: {
      const auto status = static_cast<int32_t>(c.random.next());
      return c.make("namp_status_name",
                    [status] { return answered(namp_status_name(status) != nullptr); });
    }
    default: {
      const char* name = c.random.of<const char*>({"namp_cell", "", "nothing", nullptr});
      return c.make("namp_struct_size", [name] { return answered(namp_struct_size(name) >= -1); });
    }
  }
}

void vendor_libraries(Call& c) {
  c.takes_device = false;
  if (c.random.one_in(4))
    return c.make("namp_library_set_folders", [] { return namp_library_set_folders(nullptr); });
  int32_t& library = value<int32_t>(c);
  if (c.random.one_in(3)) {
    void**& handle = room<void*>(c);
    c.choice(library, {NAMP_LIBRARY_CUDA});
    c.may_fail = true;  // the machine may lack it
    return c.make("namp_library_open", [&] { return namp_library_open(handle, library); });
  }
  c.choice(library,
           {NAMP_LIBRARY_CUDA, NAMP_LIBRARY_CUBLAS, NAMP_LIBRARY_NVML, NAMP_LIBRARY_ONEDNN});
  int32_t& capacity = value<int32_t>(c, static_cast<int32_t>(c.random.below(4)));
  auto*& attempts = value<namp_library_attempt*>(
      c, static_cast<namp_library_attempt*>(c.block(4 * sizeof(namp_library_attempt))));
  int32_t*& count = room<int32_t>(c);
  c.wrong([&capacity] {
    capacity = -1;
    return true;
  });
  c.make("namp_library_read_attempts",
         [&] { return namp_library_read_attempts(attempts, count, capacity, library); });
}

void profile(Call& c) {
  c.takes_device = false;
  if (c.random.one_in(3)) return c.make("namp_profile_start", [] { return namp_profile_start(); });
  if (c.random.one_in(2)) return c.make("namp_profile_stop", [] { return namp_profile_stop(); });
  int32_t*& count = room<int32_t>(c);
  int32_t& capacity = value<int32_t>(c, static_cast<int32_t>(c.random.below(90)));
  c.wrong([&capacity] {
    capacity = -1;
    return true;
  });
  namp_profile_entry*& entries = value<namp_profile_entry*>(
      c, static_cast<namp_profile_entry*>(
             c.block(static_cast<size_t>(capacity) * sizeof(namp_profile_entry))));
  const bool some = capacity > 0;
  c.wrong([&entries, some] {
    entries = nullptr;
    return some;
  });
  c.make("namp_profile_read", [&] { return namp_profile_read(entries, count, capacity); });
}

void negative(Call& c, int64_t& bytes) {
  c.wrong([&c, &bytes] {
    bytes = c.random.of<int64_t>({-1, INT64_MIN});
    return true;
  });
}

void devices(Call& c) {
  int32_t& kind = value<int32_t>(c, NAMP_DEVICE_CPU);
  if (c.random.one_in(3)) {
    c.takes_device = false;
    c.spoil_choice(kind);
    int32_t*& count = room<int32_t>(c);
    int64_t& capacity = value<int64_t>(c, c.small(300));
    char*& reason = value<char*>(c);
    c.tensor(reason, NAMP_UINT8, capacity);
    negative(c, capacity);
    return c.make("namp_device_count",
                  [&] { return namp_device_count(count, kind, reason, capacity); });
  }
  if (c.random.one_in(3)) {
    c.takes_device = false;
    c.spoil_choice(kind);
    int32_t& ordinal = value<int32_t>(c, 0);
    c.wrong([&c, &ordinal] {
      ordinal = c.random.of<int32_t>({-1, 1, INT32_MAX});
      return true;
    });
    namp_device*& made = value<namp_device*>(c);
    namp_device**& pointer = value<namp_device**>(c, &made);
    c.wrong([&pointer] {
      pointer = nullptr;
      return true;
    });
    c.afterwards([&made] { namp_device_close(made); });
    return c.make("namp_device_open", [&] { return namp_device_open(pointer, kind, ordinal); });
  }
  if (c.random.one_in(5)) {
    void**& context = room<void*>(c);
    return c.make("namp_device_get_context",
                  [&] { return namp_device_get_context(context, c.device); });
  }
  if (c.random.one_in(5)) {
    // Never with a context: a driver believes a pointer.
    c.takes_device = false;
    c.may_fail = true;
    namp_device**& pointer = room<namp_device*>(c);
    return c.make("namp_device_open_context",
                  [&] { return namp_device_open_context(pointer, nullptr); });
  }
  if (c.random.one_in(2)) {
    // Closing is refused while there is memory.
    c.takes_device = false;
    namp_device*& own = value<namp_device*>(c);
    namp_device_open(&own, NAMP_DEVICE_CPU, 0);
    void*& piece = value<void*>(c);
    bool& closed = value<bool>(c);
    c.wrong([&own, &piece] {
      if (piece == nullptr) namp_memory_allocate(&piece, own, 8, NAMP_MEMORY_OTHER, nullptr);
      return true;
    });
    c.afterwards([&own, &piece, &closed] {
      if (closed) return;
      namp_memory_free(own, piece, nullptr);
      namp_device_close(own);
    });
    return c.make("namp_device_close", [&] {
      const int32_t status = namp_device_close(own);
      closed = status == NAMP_OK;
      return status;
    });
  }
  namp_device_info& info = c.args<namp_device_info>();
  c.make("namp_device_get_info", [&] { return namp_device_get_info(&info, c.device); });
}

void settings(Call& c) {
  int32_t& number = value<int32_t>(c);
  if (c.random.one_in(3)) {
    number = static_cast<int32_t>(c.random.below(2));
    c.wrong([&c, &number] {
      number = c.random.of<int32_t>({-1, 2, INT32_MAX, INT32_MIN});
      return true;
    });
    if (c.random.one_in(2)) {
      return c.make("namp_device_set_measure_products",
                    [&] { return namp_device_set_measure_products(c.device, number); });
    }
    return c.make("namp_device_set_allow_tf32",
                  [&] { return namp_device_set_allow_tf32(c.device, number); });
  }
  if (c.random.one_in(2)) {
    number = static_cast<int32_t>(c.random.between(1, 3));
    c.wrong([&c, &number] {
      number = c.random.of<int32_t>({-1, 1025, INT32_MAX, INT32_MIN});
      return true;
    });
    return c.make("namp_device_set_threads",
                  [&] { return namp_device_set_threads(c.device, number); });
  }
  number = static_cast<int32_t>(c.random.of({NAMP_SIMD_BEST, NAMP_SIMD_BASELINE, NAMP_SIMD_AVX2,
                                             NAMP_SIMD_AVX512, NAMP_SIMD_NEON_DOTPROD}));
  c.spoil_choice(number);
  c.may_fail = true;  // the machine may lack it
  c.make("namp_device_set_simd", [&] { return namp_device_set_simd(c.device, number); });
}

void streams(Call& c) {
  if (c.random.one_in(3)) {
    namp_stream*& stream = room<namp_stream>(c);
    return c.make("namp_stream_create", [&] { return namp_stream_create(stream, c.device); });
  }
  if (c.random.one_in(3)) {
    namp_stream*& stream = room<namp_stream>(c);
    return c.make("namp_device_get_stream",
                  [&] { return namp_device_get_stream(stream, c.device); });
  }
  if (c.random.one_in(2)) {
    return c.make("namp_stream_destroy", [&] { return namp_stream_destroy(c.device, nullptr); });
  }
  c.make("namp_stream_synchronize", [&] { return namp_stream_synchronize(c.device, nullptr); });
}

void events(Call& c) {
  namp_event*& first = value<namp_event*>(c);
  namp_event*& last = value<namp_event*>(c);
  if (c.random.one_in(4)) {
    namp_event**& pointer = value<namp_event**>(c, &first);
    c.wrong([&pointer] {
      pointer = nullptr;
      return true;
    });
    c.afterwards([&first] { namp_event_destroy(first); });
    return c.make("namp_event_create", [&] { return namp_event_create(pointer, c.device); });
  }
  c.takes_device = false;
  namp_event_create(&first, c.device);
  if (c.random.one_in(3)) {
    return c.make("namp_event_destroy", [&] { return namp_event_destroy(first); });
  }
  namp_event_create(&last, c.device);
  c.afterwards([one = first, other = last] {
    namp_event_destroy(one);
    namp_event_destroy(other);
  });
  c.wrong([&first] {
    first = nullptr;
    return true;
  });
  if (c.random.one_in(3)) {
    return c.make("namp_event_record", [&] { return namp_event_record(first, nullptr); });
  }
  const bool recorded = !c.random.one_in(4);
  if (c.random.one_in(2)) {
    if (recorded) namp_event_record(first, nullptr);
    if (c.random.one_in(3)) {
      return c.make("namp_stream_wait_event", [&, device = c.device] {
        return namp_stream_wait_event(device, nullptr, first);
      });
    }
    c.may_fail = !recorded;
    if (c.random.one_in(2)) {
      return c.make("namp_event_synchronize", [&] { return namp_event_synchronize(first); });
    }
    int32_t*& reached = room<int32_t>(c);
    return c.make("namp_event_query", [&] { return namp_event_query(reached, first); });
  }
  namp_event_record(first, nullptr);
  if (recorded) namp_event_record(last, nullptr);
  c.may_fail = !recorded;
  double*& seconds = room<double>(c);
  c.make("namp_event_elapsed", [&] { return namp_event_elapsed(seconds, first, last); });
}

void memory(Call& c) {
  int32_t& kind = value<int32_t>(c, static_cast<int32_t>(c.random.below(NAMP_MEMORY_KIND_COUNT)));
  void*& piece = value<void*>(c);
  if (c.random.one_in(2)) {
    int64_t& bytes = value<int64_t>(c);
    c.size(bytes, c.small(100000));
    c.spoil_choice(kind);
    void**& pointer = value<void**>(c, &piece);
    c.wrong([&pointer] {
      pointer = nullptr;
      return true;
    });
    c.afterwards([&piece, device = c.device] { namp_memory_free(device, piece, nullptr); });
    return c.make("namp_memory_allocate",
                  [&] { return namp_memory_allocate(pointer, c.device, bytes, kind, nullptr); });
  }
  if (c.random.one_in(2)) {
    namp_memory_allocate(&piece, c.device, c.small(5000), kind, nullptr);
    void*& given = value<void*>(c, piece);
    c.wrong([&c, &given] {
      given = c.block(8);
      return true;
    });
    // If the call was refused, the memory is still there.
    c.afterwards([piece = piece, &c, device = c.device] {
      if (c.status != NAMP_OK) namp_memory_free(device, piece, nullptr);
    });
    return c.make("namp_memory_free", [&] { return namp_memory_free(c.device, given, nullptr); });
  }
  if (c.random.one_in(3)) {
    namp_memory_allocate(&piece, c.device, 1 + c.small(5000), kind, nullptr);
    c.afterwards([piece = piece, device = c.device] { namp_memory_free(device, piece, nullptr); });
    void*& given = value<void*>(c, piece);
    c.wrong([&c, &given] {
      given = c.random.one_in(2) ? nullptr : c.block(8);
      return true;
    });
    return c.make("namp_memory_record_stream",
                  [&] { return namp_memory_record_stream(c.device, given, nullptr); });
  }
  if (c.random.one_in(3)) {
    int64_t& bytes = value<int64_t>(c, 1 + c.small(5000));
    negative(c, bytes);
    void**& pointer = value<void**>(c, &piece);
    c.wrong([&pointer] {
      pointer = nullptr;
      return true;
    });
    c.afterwards([&piece, device = c.device] { namp_memory_free_host(device, piece); });
    return c.make("namp_memory_allocate_host",
                  [&] { return namp_memory_allocate_host(pointer, c.device, bytes); });
  }
  if (c.random.one_in(3)) {
    namp_memory_allocate_host(&piece, c.device, 64);
    c.afterwards([piece = piece, &c, device = c.device] {
      if (c.status != NAMP_OK) namp_memory_free_host(device, piece);
    });
    return c.make("namp_memory_free_host", [&] { return namp_memory_free_host(c.device, piece); });
  }
  if (c.random.one_in(3)) {
    return c.make("namp_memory_trim", [&] { return namp_memory_trim(c.device); });
  }
  if (c.random.one_in(2)) {
    namp_memory_statistics& statistics = c.args<namp_memory_statistics>();
    return c.make("namp_memory_get_statistics",
                  [&] { return namp_memory_get_statistics(&statistics, c.device); });
  }
  c.make("namp_memory_reset_peak", [&] { return namp_memory_reset_peak(c.device); });
}

void copies(Call& c) {
  int64_t& bytes = value<int64_t>(c, c.small(300));
  void*& destination = value<void*>(c);
  c.tensor(destination, NAMP_UINT8, bytes);
  negative(c, bytes);
  if (c.random.one_in(3)) {
    void*& pinned = value<void*>(c);
    namp_memory_allocate_host(&pinned, c.device, 300);
    c.afterwards([pinned = pinned, device = c.device] { namp_memory_free_host(device, pinned); });
    c.wrong([&c, &pinned, &bytes] {
      if (bytes <= 0) return false;  // it is wrong already
      pinned = c.random.one_in(2) ? c.block(static_cast<size_t>(bytes))
                                  : static_cast<char*>(pinned) + (301 - bytes);
      return true;
    });
    return c.make("namp_memory_copy_async", [&] {
      return namp_memory_copy_async(c.device, destination, pinned, bytes, NAMP_COPY_HOST_TO_DEVICE,
                                    nullptr);
    });
  }
  if (c.random.one_in(2)) {
    const auto byte = static_cast<int32_t>(c.random.next());
    return c.make("namp_memory_fill", [&, byte] {
      return namp_memory_fill(c.device, destination, byte, bytes, nullptr);
    });
  }
  const void*& source = value<const void*>(c);
  c.tensor(source, NAMP_UINT8, bytes);
  int32_t& direction = value<int32_t>(c);
  c.choice(direction,
           {NAMP_COPY_HOST_TO_DEVICE, NAMP_COPY_DEVICE_TO_HOST, NAMP_COPY_DEVICE_TO_DEVICE});
  c.make("namp_memory_copy", [&] {
    return namp_memory_copy(c.device, destination, source, bytes, direction, nullptr);
  });
}

void spoil_cell(Call& c, namp_cell* cells, int64_t count) {
  if (count == 0) return;
  c.wrong([&c, cells, count] {
    namp_cell& cell = cells[c.random.below(count)];
    if (cell.data == nullptr) return false;
    if (c.random.one_in(2)) {
      cell.dtype = c.random.of<int32_t>({NAMP_DTYPE_NONE, 99, -1});
      return true;
    }
    return element_size(cell.dtype) > 1 && c.misalign(cell.data);
  });
}

void create_table(Call& c) {
  auto& d = c.args<namp_table_description>();
  d.column_count = static_cast<int32_t>(c.random.between(1, 8));
  c.wrong([&c, &d] {
    d.column_count = c.random.of<int32_t>({0, -1, 9, INT32_MAX});
    return true;
  });
  const int64_t tensors = c.small(5);
  d.tensor_count = tensors;
  c.wrong([&c, &d] {
    d.tensor_count = c.random.of<int64_t>({-1, INT64_MIN, INT64_MAX});
    return true;
  });
  auto* counts = static_cast<int64_t*>(c.block(static_cast<size_t>(tensors) * sizeof(int64_t)));
  auto* groups = static_cast<int32_t*>(c.block(static_cast<size_t>(tensors) * sizeof(int32_t)));
  const int64_t cell_count = tensors * d.column_count;
  auto* cells =
      static_cast<namp_cell*>(c.block(static_cast<size_t>(cell_count) * sizeof(namp_cell)));
  for (int64_t tensor = 0; tensor < tensors; ++tensor) {
    const bool nothing = c.random.one_in(8);
    c.size(counts[tensor], nothing ? c.random.of<int64_t>({0, 5, int64_t{1} << 40}) : c.small(40));
    groups[tensor] = static_cast<int32_t>(c.random.below(70));
    c.wrong([&c, group = &groups[tensor]] {
      *group = c.random.of<int32_t>({-1, INT32_MIN, INT32_MAX});
      return true;
    });
    for (int64_t i = tensor * d.column_count; i < (tensor + 1) * d.column_count; ++i) {
      const int32_t dtype =
          c.random.of<int32_t>({NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16, NAMP_INT32, NAMP_UINT8});
      cells[i] = namp_test::cell(nothing ? nullptr : c.elements(dtype, counts[tensor]), dtype);
    }
  }
  d.counts = counts;
  d.cells = cells;
  d.groups = groups;
  spoil_cell(c, cells, cell_count);
  if (tensors > 0) {
    c.wrong([&c, &d] {
      if (c.random.one_in(2)) {
        d.counts = nullptr;
      } else {
        d.cells = nullptr;
      }
      return true;
    });
  }
  namp_table*& made = value<namp_table*>(c);
  namp_table**& pointer = value<namp_table**>(c, &made);
  c.wrong([&pointer] {
    pointer = nullptr;
    return true;
  });
  c.afterwards([&made] { namp_table_destroy(made); });
  c.make("namp_table_create", [&] { return namp_table_create(pointer, c.device, &d); });
}

void use_table(Call& c) {
  TestTable& t = TestTable::draw(c, {0, 0, 0});
  if (c.random.one_in(4)) {
    c.takes_device = false;
    namp_overflow_facts*& facts = value<namp_overflow_facts*>(c);
    return c.make("namp_table_get_facts", [&] { return namp_table_get_facts(&facts, t.table); });
  }
  int32_t& column = value<int32_t>(c, static_cast<int32_t>(c.random.below(3)));
  if (c.random.one_in(2)) {
    c.spoil_choice(column);
    auto* cells = static_cast<namp_cell*>(c.block(4 * sizeof(namp_cell)));
    for (int i = 0; i < 4; ++i) {
      const bool missing = c.random.one_in(3);
      cells[i] = namp_test::cell(missing ? nullptr : c.elements(NAMP_FLOAT16, 20000), NAMP_FLOAT16);
    }
    const namp_cell*& given = value<const namp_cell*>(c, cells);
    c.make("namp_table_set_column",
           [&] { return namp_table_set_column(t.table, column, given, nullptr); });
    return;
  }
  auto* accesses = static_cast<int32_t*>(c.block(3 * sizeof(int32_t)));
  for (int i = 0; i < 3; ++i)
    c.choice(accesses[i],
             {NAMP_ACCESS_NONE, NAMP_ACCESS_READ, NAMP_ACCESS_WRITE, NAMP_ACCESS_READ_WRITE});
  uint32_t*& checksum = value<uint32_t*>(c);
  c.tensor(checksum, NAMP_INT32, 1, false);
  c.make("namp_table_touch",
         [&, accesses] { return namp_table_touch(checksum, t.table, accesses, nullptr); });
}

void destroy_table(Call& c) {
  c.takes_device = false;
  namp_table_description description{};
  description.struct_size = sizeof(description);
  description.column_count = 1;
  namp_table*& table = value<namp_table*>(c);
  if (!c.random.one_in(4)) namp_table_create(&table, c.device, &description);
  c.make("namp_table_destroy", [&] { return namp_table_destroy(table); });
}

// The CPU has no graphs: what is asked of it without a capture.
void graphs(Call& c) {
  namp_graph*& graph = value<namp_graph*>(c);
  c.may_fail = true;
  switch (c.random.below(5)) {
    case 0:
      return c.make("namp_graph_begin", [&] { return namp_graph_begin(c.device, nullptr); });
    case 1: {
      namp_graph**& pointer = room<namp_graph*>(c);
      return c.make("namp_graph_end", [&] { return namp_graph_end(pointer, c.device); });
    }
    case 2:
      return c.make("namp_graph_cancel", [&] { return namp_graph_cancel(c.device); });
    case 3:
      c.takes_device = false;
      return c.make("namp_graph_launch", [&] { return namp_graph_launch(graph); });
    default:
      c.takes_device = false;
      c.may_fail = false;
      return c.make("namp_graph_destroy", [&] { return namp_graph_destroy(graph); });
  }
}

}  // namespace

const std::vector<Function> kObjects = {
    {"the library", library}, {"libraries of others", vendor_libraries},
    {"the profile", profile}, {"devices", devices},
    {"settings", settings},   {"streams", streams},
    {"events", events},       {"memory", memory},
    {"copies", copies},       {"namp_table_create", create_table},
    {"tables", use_table},    {"namp_table_destroy", destroy_table},
    {"graphs", graphs},
};

}  // namespace namp_campaign
