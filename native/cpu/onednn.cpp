#include "cpu/onednn.h"

#include <array>
#include <cstddef>
#include <utility>

#include "libraries/search.h"

namespace namp::onednn {
namespace {

const char* name_of(Status status) {
  switch (status) {
    case kOutOfMemory:
      return "out of memory";
    case kInvalidArguments:
      return "invalid arguments";
    case kUnimplemented:
      return "unimplemented";
    default:
      return "an error";
  }
}

namp_status status_of(Status answer) {
  return answer == kOutOfMemory ? NAMP_ERROR_OUT_OF_MEMORY : NAMP_ERROR_DEVICE;
}

std::string text_of(const Version& version) {
  return std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
         std::to_string(version.patch);
}

constexpr size_t aligned_units(size_t bytes) {
  return (bytes + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t);
}

}  // namespace

Failure::Failure(Status status, const std::string& call)
    : Error(status_of(status), "oneDNN: dnnl_" + call + " gave " + name_of(status) + " (" +
                                   std::to_string(status) +
                                   "); to do without oneDNN, set NATIVEAMP_ONEDNN=0."),
      answer(status) {}

void OneDnn::check(Status status, const char* call) const {
  if (status != kSuccess) throw Failure(status, call);
}

// ---- Finding one ----

std::string OneDnn::bind(const DynamicLibrary& library) {
  std::string missing;
#define NAMP_BIND_ONEDNN(name, result, parameters) \
  if (missing.empty() && !library.bind(functions.name, "dnnl_" #name)) missing = "dnnl_" #name;
  {
    Functions& functions = f_;
    NAMP_ONEDNN_FUNCTIONS(NAMP_BIND_ONEDNN)
  }
  if (is_3_) {
    Functions3& functions = three_;
    NAMP_ONEDNN_FUNCTIONS_3(NAMP_BIND_ONEDNN)
  } else {
    Functions2& functions = two_;
    NAMP_ONEDNN_FUNCTIONS_2(NAMP_BIND_ONEDNN)
  }
#undef NAMP_BIND_ONEDNN
  return missing.empty() ? "" : "it lacks " + missing;
}

std::string OneDnn::start(const DynamicLibrary& library) {
  if (!library.bind(f_.version, "dnnl_version")) return "it lacks dnnl_version";
  const Version& version = *f_.version();
  if (version.major != 2 && version.major != 3)
    return "it is oneDNN " + text_of(version) + "; version 2 or 3 is needed";
  if (version.cpu_runtime != kOpenMpRuntime) {
    // The number of threads could not be set, on which the bits of its results depend.
    return "it was built for threads other than OpenMP's (dnnl_version says runtime " +
           std::to_string(version.cpu_runtime) + ")";
  }
  is_3_ = version.major == 3;
  std::string failure = bind(library);
  if (failure.empty()) failure = openmp_.bind(library);
  if (!failure.empty()) return failure;
  try {
    engine_ = create("engine_create", f_.engine_destroy,
                     [&](Handle* made) { return f_.engine_create(made, kCpuEngine, 0); });
  } catch (const Failure& refused) {
    return refused.what();
  }
  return "";
}

std::unique_ptr<OneDnn> OneDnn::find(std::string& failures) {
  const OpenMpOpening opening;
  std::unique_ptr<OneDnn> found;
  const LibraryFound search = find_library(onednn_library(), 0, [&](const DynamicLibrary& library) {
    auto candidate = std::make_unique<OneDnn>();
    std::string failure = candidate->start(library);
    if (failure.empty()) found = std::move(candidate);
    return failure;
  });
  failures = search.describe_failures();
  return found;
}

std::string OneDnn::version() const { return text_of(*f_.version()); }

// ---- Objects ----

template <class Make>
Object OneDnn::create(const char* call, Status (*destroy)(Handle), Make make) const {
  Handle made = nullptr;
  check(make(&made), call);
  return Object(made, [destroy](Handle handle) { destroy(handle); });
}

Desc OneDnn::describe(const Dims& dims, int type, const Dims* strides) const {
  const int rank = static_cast<int>(dims.size());
  if (is_3_) {
    return create("memory_desc_create", three_.memory_desc_destroy, [&](Handle* made) {
      return strides == nullptr
                 ? three_.memory_desc_create_with_tag(made, rank, dims.data(), type, kAnyLayout)
                 : three_.memory_desc_create_with_strides(made, rank, dims.data(), type,
                                                          strides->data());
    });
  }
  auto made = std::make_shared<std::array<std::max_align_t, aligned_units(kDescBytes2)>>();
  check(
      strides == nullptr
          ? two_.memory_desc_init_by_tag(made.get(), rank, dims.data(), type, kAnyLayout)
          : two_.memory_desc_init_by_strides(made.get(), rank, dims.data(), type, strides->data()),
      "memory_desc_init");
  return made;
}

Desc OneDnn::strided(const Dims& dims, int type, const Dims& strides) const {
  return describe(dims, type, &strides);
}

Desc OneDnn::dense(const Dims& dims, int type) const {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size() - 1; i > 0; --i)
    strides[i - 1] = strides[i] * dims[i];
  return describe(dims, type, &strides);
}

Desc OneDnn::any(const Dims& dims, int type) const { return describe(dims, type, nullptr); }

bool OneDnn::equal(const Desc& a, const Desc& b) const {
  return f_.memory_desc_equal(a.get(), b.get()) != 0;
}

int64_t OneDnn::bytes(const Desc& desc) const {
  return static_cast<int64_t>(f_.memory_desc_get_size(desc.get()));
}

Object OneDnn::attributes(const std::vector<PostOperation>& then) const {
  const Object made = create("primitive_attr_create", f_.primitive_attr_destroy,
                             [&](Handle* handle) { return f_.primitive_attr_create(handle); });
  check(f_.primitive_attr_set_scratchpad_mode(made.get(), kUserScratchpad),
        "primitive_attr_set_scratchpad_mode");
  const Object list = create("post_ops_create", f_.post_ops_destroy,
                             [&](Handle* handle) { return f_.post_ops_create(handle); });
  for (const PostOperation& each : then) {
    if (each.eltwise == 0) {
      check(is_3_ ? three_.post_ops_append_sum(list.get(), each.alpha, 0, kUndefinedType)
                  : two_.post_ops_append_sum(list.get(), each.alpha),
            "post_ops_append_sum");
    } else {
      check(is_3_ ? three_.post_ops_append_eltwise(list.get(), each.eltwise, each.alpha, 0.0f)
                  : two_.post_ops_append_eltwise(list.get(), 1.0f, each.eltwise, each.alpha, 0.0f),
            "post_ops_append_eltwise");
    }
  }
  check(f_.primitive_attr_set_post_ops(made.get(), list.get()), "primitive_attr_set_post_ops");
  return made;
}

// ---- Descriptions of primitives ----

template <class Fill>
Object OneDnn::by_operation(const char* call, const Object& attributes, const Object& hint,
                            Fill fill) const {
  std::array<std::max_align_t, aligned_units(kOperationBytes2)> operation{};
  check(fill(operation.data()), call);
  return create("primitive_desc_create", f_.primitive_desc_destroy, [&](Handle* made) {
    return two_.primitive_desc_create(made, operation.data(), attributes.get(), engine_.get(),
                                      hint.get());
  });
}

Object OneDnn::matmul(const Desc& source, const Desc& weights, const Desc& bias,
                      const Desc& destination, const std::vector<PostOperation>& then) const {
  const Object with = attributes(then);
  if (is_3_) {
    return create("matmul_primitive_desc_create", f_.primitive_desc_destroy, [&](Handle* made) {
      return three_.matmul_primitive_desc_create(made, engine_.get(), source.get(), weights.get(),
                                                 bias.get(), destination.get(), with.get());
    });
  }
  return by_operation("matmul_desc_init", with, nullptr, [&](void* operation) {
    return two_.matmul_desc_init(operation, source.get(), weights.get(), bias.get(),
                                 destination.get());
  });
}

Object OneDnn::forward(const Desc& source, const Desc& weights, const Desc& bias,
                       const Desc& destination, const Slide& slide,
                       const std::vector<PostOperation>& then) const {
  const Object with = attributes(then);
  const Dim* const stride = slide.stride.data();
  const Dim* const dilation = slide.dilation.data();
  const Dim* const pad = slide.pad.data();
  if (is_3_) {
    const char* const call = "convolution_forward_primitive_desc_create";
    return create(call, f_.primitive_desc_destroy, [&](Handle* made) {
      return three_.convolution_forward_primitive_desc_create(
          made, engine_.get(), kForwardTraining, kDirectConvolution, source.get(), weights.get(),
          bias.get(), destination.get(), stride, dilation, pad, pad, with.get());
    });
  }
  return by_operation("convolution_forward_desc_init", with, nullptr, [&](void* operation) {
    return two_.dilated_convolution_forward_desc_init(
        operation, kForwardTraining, kDirectConvolution, source.get(), weights.get(), bias.get(),
        destination.get(), stride, dilation, pad, pad);
  });
}

Object OneDnn::backward_data(const Desc& source, const Desc& weights, const Desc& destination,
                             const Slide& slide, const Object& forward) const {
  const Object with = attributes({});
  const Dim* const stride = slide.stride.data();
  const Dim* const dilation = slide.dilation.data();
  const Dim* const pad = slide.pad.data();
  if (is_3_) {
    const char* const call = "convolution_backward_data_primitive_desc_create";
    return create(call, f_.primitive_desc_destroy, [&](Handle* made) {
      return three_.convolution_backward_data_primitive_desc_create(
          made, engine_.get(), kDirectConvolution, source.get(), weights.get(), destination.get(),
          stride, dilation, pad, pad, forward.get(), with.get());
    });
  }
  return by_operation("convolution_backward_data_desc_init", with, forward, [&](void* operation) {
    return two_.dilated_convolution_backward_data_desc_init(
        operation, kDirectConvolution, source.get(), weights.get(), destination.get(), stride,
        dilation, pad, pad);
  });
}

Object OneDnn::backward_weights(const Desc& source, const Desc& weights, const Desc& bias,
                                const Desc& destination, const Slide& slide,
                                const Object& forward) const {
  const Object with = attributes({});
  const Dim* const stride = slide.stride.data();
  const Dim* const dilation = slide.dilation.data();
  const Dim* const pad = slide.pad.data();
  if (is_3_) {
    const char* const call = "convolution_backward_weights_primitive_desc_create";
    return create(call, f_.primitive_desc_destroy, [&](Handle* made) {
      return three_.convolution_backward_weights_primitive_desc_create(
          made, engine_.get(), kDirectConvolution, source.get(), weights.get(), bias.get(),
          destination.get(), stride, dilation, pad, pad, forward.get(), with.get());
    });
  }
  return by_operation("convolution_backward_weights_desc_init", with, forward,
                      [&](void* operation) {
                        return two_.dilated_convolution_backward_weights_desc_init(
                            operation, kDirectConvolution, source.get(), weights.get(), bias.get(),
                            destination.get(), stride, dilation, pad, pad);
                      });
}

Object OneDnn::reorder(const Desc& from, const Desc& to) const {
  return create("reorder_primitive_desc_create", f_.primitive_desc_destroy, [&](Handle* made) {
    return f_.reorder_primitive_desc_create(made, from.get(), engine_.get(), to.get(),
                                            engine_.get(), nullptr);
  });
}

Desc OneDnn::memory_of(const Object& description, int which) const {
  // The description's own.
  return {description, f_.primitive_desc_query_md(description.get(), which, 0)};
}

// ---- Running ----

Object OneDnn::primitive(const Object& description) const {
  return create("primitive_create", f_.primitive_destroy,
                [&](Handle* made) { return f_.primitive_create(made, description.get()); });
}

Object OneDnn::stream() const {
  return create("stream_create", f_.stream_destroy, [&](Handle* made) {
    return f_.stream_create(made, engine_.get(), kDefaultStream);
  });
}

Object OneDnn::memory(const Desc& desc, void* pointer) const {
  return create("memory_create", f_.memory_destroy, [&](Handle* made) {
    return f_.memory_create(made, desc.get(), engine_.get(), pointer);
  });
}

void OneDnn::execute(const Object& primitive, const Object& stream,
                     const std::vector<ExecuteArgument>& arguments) const {
  check(f_.primitive_execute(primitive.get(), stream.get(), static_cast<int>(arguments.size()),
                             arguments.data()),
        "primitive_execute");
}

void OneDnn::wait(const Object& stream) const {
  check(f_.stream_wait(stream.get()), "stream_wait");
}

}  // namespace namp::onednn
