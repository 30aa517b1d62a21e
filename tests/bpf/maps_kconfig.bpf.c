/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Settings of the kernel, of every type that libbpf knows. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

extern int CONFIG_NUMBER __kconfig;
extern unsigned long CONFIG_HEX __kconfig;
extern bool CONFIG_SWITCH __kconfig;
extern enum libbpf_tristate CONFIG_CHOICE __kconfig;
extern char CONFIG_LETTER __kconfig;
extern char CONFIG_TEXT[16] __kconfig;

SEC("socket")
int sum(struct __sk_buff *ctx)
{
	return CONFIG_NUMBER + CONFIG_HEX + CONFIG_SWITCH + CONFIG_CHOICE + CONFIG_LETTER + CONFIG_TEXT[1];
}
