/*
 * Contracts: what must hold, checked in every build.
 *
 * REQUIRE blames the caller, ENSURE the result, INSIST ourselves. A broken
 * contract is a bug, not an error: it prints place and rule and aborts. Inside
 * a step it becomes a panic of that step, if the engine installed a handler
 * (flo__contract_set_handler()).
 *
 * REQUIRE_RULE says the rule in words, for functions that users call: the
 * expression would tell them about our insides. REQUIRE_OF is for helpers: it
 * names the function that was called (without parentheses).
 */
#ifndef FLO_BASE_CONTRACT_H
#define FLO_BASE_CONTRACT_H

#include <flo/status.h>

#define REQUIRE(cond) FLO__CONTRACT("REQUIRE", cond)
#define ENSURE(cond)  FLO__CONTRACT("ENSURE", cond)
#define INSIST(cond)  FLO__CONTRACT("INSIST", cond)

#define FLO__CONTRACT(kind, cond)                                              \
	((void)((cond) || (flo__contract_broken(kind, #cond, __func__,         \
						__FILE__, __LINE__),           \
			   0)))

#define REQUIRE_RULE(cond, rule) REQUIRE_OF(__func__, cond, rule)

#define REQUIRE_OF(function, cond, rule)                                       \
	((void)((cond) || (flo__contract_rule_broken(rule, function, __FILE__, \
						     __LINE__),                \
			   0)))

/* Report and abort (or hand to the handler, which does not return). */
void flo__contract_broken(const char *kind, const char *rule,
			  const char *function, const char *file,
			  int line) FLO_NORETURN;

/* As flo__contract_broken(), for a caller's rule in words. */
void flo__contract_rule_broken(const char *rule, const char *function,
			       const char *file, int line) FLO_NORETURN;

/*
 * Replace what happens when a contract breaks. @handler gets the whole message
 * and may leave by a non-local exit (a panic); if it returns, the process
 * aborts. Process-wide; set once at start-up, before other threads.
 */
typedef void (*flo__contract_handler)(const char *message);
void flo__contract_set_handler(flo__contract_handler handler);

/*
 * Leave by the one exit of a function: `out:` releases everything.
 *
 *	flo_status st;
 *	TRY(open_it(&x, err));
 * out:
 *	close_it(x);
 *	return st;
 */
#define TRY(call)                                                              \
	do {                                                                   \
		st = (call);                                                   \
		if (st != FLO_OK)                                              \
			goto out;                                              \
	} while (0)

#endif
