/* The forwarding core once more, to be asked what it would do: see trace.h. */
#define TG_TRACE
#include "tidegate.bpf.c"
