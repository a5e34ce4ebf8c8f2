/**
 * Worker processes: where step types with FLO_ISOLATION_PROCESS run.
 *
 * An engine starts its worker program once an attempt of such a type, hands it
 * the type's name and arguments, and takes the step's output from it. The
 * program that is installed with the library, flo-worker, knows the built-in
 * types. An embedding program whose own types shall be isolated names a
 * program of its own (`worker_argv` of struct flo_engine_options), perhaps
 * itself with an argument, whose main() comes here first:
 *
 *	static const flo_step_type *const types[] = {&resize, &classify};
 *
 *	int main(int argc, char **argv)
 *	{
 *		if (argc == 2 && strcmp(argv[1], "--worker") == 0)
 *			flo_worker_main(types, 2);
 *		...
 *
 * and registers the same types with its engine. Until it calls this, such a
 * program must not touch its standard input, start a thread, or change what
 * SIGTERM does.
 */
#ifndef FLO_WORKER_H
#define FLO_WORKER_H

#include <flo/step.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Serve the engine that started this process: run one attempt, then end the
 * process by _exit(), so functions registered with atexit() are not called.
 *
 * The step finds its context cancelled when the process gets SIGTERM, /dev/null
 * as standard input, the step's directory as the current one, and the step's
 * environment; what it prints goes to the attempt's log. SIGPIPE is ignored.
 *
 * @types are known besides the built-in ones. They are borrowed for ever, as
 * is what they point to. Their isolation does not matter here.
 *
 * Requires: @types is not NULL unless @types_len is 0; called on the main
 * thread, once.
 * Does not return; the exit code is 2, with a message, when no engine has
 * started this process.
 */
FLO_EXTERN void flo_worker_main(const flo_step_type *const *types,
				size_t types_len) FLO_NORETURN;

#ifdef __cplusplus
}
#endif
#endif
