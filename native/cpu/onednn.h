// One oneDNN, version 2 or 3, as it was found: its functions, and objects that end themselves. Only
// this file and onednn.cpp depend on the version.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cpu/onednn_functions.h"
#include "cpu/openmp.h"
#include "error.h"
#include "libraries/dynamic_library.h"

namespace namp::onednn {

// A call that failed.
class Failure : public Error {
 public:
  Failure(Status answer, const std::string& call);

  const Status answer;
};

using Object = std::shared_ptr<void>;      // its handle
using Desc = std::shared_ptr<const void>;  // a description of memory
using Dims = std::vector<Dim>;

// Strides, padding and dilation of a convolution; dilation 0 is dense here.
struct Slide {
  Dims stride;
  Dims dilation;
  Dims pad;
};

// An operation on a primitive's results, in this order.
struct PostOperation {
  int eltwise;  // a member of Eltwise; 0: the destination times alpha is added
  float alpha;
};

class OneDnn {
 public:
  // Finds one that works. Null where there is none; failures says what was there and did not work,
  // and without one, what was tried.
  static std::unique_ptr<OneDnn> find(std::string& failures);

  // Such as "2.6.3".
  std::string version() const;
  const OpenMp& openmp() const { return openmp_; }
  const Eltwise& eltwise() const { return is_3_ ? kEltwise3 : kEltwise2; }

  Desc strided(const Dims& dims, int type, const Dims& strides) const;
  // In the order of its dimensions, without gaps.
  Desc dense(const Dims& dims, int type) const;
  // In a layout that oneDNN is to choose.
  Desc any(const Dims& dims, int type) const;
  bool equal(const Desc& a, const Desc& b) const;
  int64_t bytes(const Desc& desc) const;

  // Descriptions of primitives, whose scratch memory the caller gives. A bias may be null.
  Object matmul(const Desc& source, const Desc& weights, const Desc& bias, const Desc& destination,
                const std::vector<PostOperation>& then) const;
  Object forward(const Desc& source, const Desc& weights, const Desc& bias, const Desc& destination,
                 const Slide& slide, const std::vector<PostOperation>& then) const;
  Object backward_data(const Desc& source, const Desc& weights, const Desc& destination,
                       const Slide& slide, const Object& forward) const;
  Object backward_weights(const Desc& source, const Desc& weights, const Desc& bias,
                          const Desc& destination, const Slide& slide, const Object& forward) const;
  Object reorder(const Desc& from, const Desc& to) const;

  // A primitive's memory, such as kSourceMd.
  Desc memory_of(const Object& description, int which) const;
  Object primitive(const Object& description) const;

  Object stream() const;
  Object memory(const Desc& desc, void* pointer) const;
  void execute(const Object& primitive, const Object& stream,
               const std::vector<ExecuteArgument>& arguments) const;
  void wait(const Object& stream) const;

 private:
  // Says why this one does not do; "" where it does.
  std::string start(const DynamicLibrary& library);
  std::string bind(const DynamicLibrary& library);

  Desc describe(const Dims& dims, int type, const Dims* strides) const;
  Object attributes(const std::vector<PostOperation>& then) const;
  // Of version 2: fills an operation's description, and describes its primitive.
  template <class Fill>
  Object by_operation(const char* call, const Object& attributes, const Object& hint,
                      Fill fill) const;
  // make(&handle) creates it.
  template <class Make>
  Object create(const char* call, Status (*destroy)(Handle), Make make) const;
  void check(Status status, const char* call) const;

  bool is_3_ = false;
  Functions f_;
  Functions2 two_;
  Functions3 three_;
  OpenMp openmp_;
  Object engine_;
};

}  // namespace namp::onednn
