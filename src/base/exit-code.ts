/**
 * The exit code of a node that was asked to restart and has closed everything: whoever has started it starts it again. 75 is
 * EX_TEMPFAIL of sysexits.h, and nothing else of Aether ends with it.
 */
export const EXIT_RESTART = 75
