/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A library with static probes, as sys/sdt.h of SystemTap makes them: a nop each, and a note that tells where. */

#define PROBE(name, semaphore, format, ...)						\
	__asm__ volatile(								\
		"990: nop\n"								\
		".pushsection .note.stapsdt, \"\", \"note\"\n"				\
		".balign 4\n"								\
		".4byte 992f - 991f, 994f - 993f, 3\n"					\
		"991: .asciz \"stapsdt\"\n"						\
		"992: .balign 4\n"							\
		"993: .8byte 990b, 0, " semaphore "\n"					\
		".asciz \"pylibbpf\"\n"							\
		".asciz \"" name "\"\n"							\
		".asciz \"" format "\"\n"						\
		"994: .balign 4\n"							\
		".popsection\n"								\
		:: __VA_ARGS__)

/* How many listen to "watched". */
__attribute__((used, section(".probes"), visibility("hidden"))) unsigned short watched_semaphore;

int fire(int number, long other)
{
	PROBE("both", "0", "-4@%[number] 8@%[other]", [number] "r" (number), [other] "r" (other));
	return number;
}

unsigned short fire_watched(void)
{
	PROBE("watched", "watched_semaphore", "", "r" (0));
	return watched_semaphore;
}

/* Two places of one probe. */
void fire_twice(void)
{
	PROBE("twice", "0", "-4@%[number]", [number] "r" (1));
	PROBE("twice", "0", "-4@%[number]", [number] "r" (2));
}
