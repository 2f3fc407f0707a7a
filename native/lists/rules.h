// The optimizers' rules: NAMP_FOR_EACH_RULE(X) is X(name, Rule, VALUE) for each, where Rule is
// described in formulas/rules/rule.h and VALUE is its namp_rule.
#include "formulas/rules/adam.h"
#include "formulas/rules/lion.h"
#include "formulas/rules/rmsprop.h"
#include "formulas/rules/sgd.h"

#ifndef NAMP_FOR_EACH_RULE
#define NAMP_FOR_EACH_RULE(X)   \
  X(adam, Adam, NAMP_RULE_ADAM) \
  X(sgd, Sgd, NAMP_RULE_SGD)    \
  X(lion, Lion, NAMP_RULE_LION) \
  X(rmsprop, RmsProp, NAMP_RULE_RMSPROP)

namespace namp {

// Calls body(Rule{}) for the rule of a value. Returns false if there is none.
template <class Body>
bool with_rule(int32_t value, Body&& body) {
  switch (value) {
#define NAMP_CASE(name, Rule, VALUE) \
  case VALUE:                        \
    body(Rule{});                    \
    return true;
    NAMP_FOR_EACH_RULE(NAMP_CASE)
#undef NAMP_CASE
    default:
      return false;
  }
}

}  // namespace namp
#endif
