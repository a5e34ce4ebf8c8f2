/* The step types that come with the engine. */
#ifndef FLO_STEPS_STEPS_H
#define FLO_STEPS_STEPS_H

#include <flo/step.h>

/* All of them; constant for ever. *@ret_len gets how many. */
const flo_step_type *const *flo__builtin_steps(size_t *ret_len);

#endif
