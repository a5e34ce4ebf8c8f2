/* core.*: the step types that need nothing but the engine. */
#ifndef FLO_STEPS_CORE_H
#define FLO_STEPS_CORE_H

#include <flo/step.h>

extern const flo_step_type flo__core_noop;  /* does nothing */
extern const flo_step_type flo__core_sleep; /* waits for `duration` */
extern const flo_step_type flo__core_fail;  /* fails with `message` */
extern const flo_step_type flo__core_set;   /* its output is its `with` */

#endif
