/* Memory that several CPUs read and write without locks. */
#ifndef TIDEGATE_ATOMIC_H
#define TIDEGATE_ATOMIC_H

#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))

/* Only x86 has this; there, loads are not reordered with loads. */
struct pt_regs___x86 {
	unsigned long orig_ax;
};

/* Orders the loads before it against those after it. Costs nothing on x86. */
static __always_inline void load_barrier(void)
{
	asm volatile("" ::: "memory");
	if (!bpf_core_field_exists(struct pt_regs___x86, orig_ax)) {
		__u64 scratch = 0;

		__sync_fetch_and_add(&scratch, 1); /* a fully ordered atomic: BPF has no fence */
		asm volatile("" ::"r"(scratch) : "memory");
	}
}

/* Orders a store before it against loads after it, as nothing cheaper does on any machine. */
static __always_inline void full_barrier(void)
{
	__u64 scratch = 0;

	__sync_fetch_and_add(&scratch, 1);
	asm volatile("" ::"r"(scratch) : "memory");
}

#endif
