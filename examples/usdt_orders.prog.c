/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A shop: reads orders, "ITEM QUANTITY" a line, and writes what each costs. Static probes tell of both. */
#include <stdio.h>
#include <string.h>

/*
 * What DTRACE_PROBE2(shop, name, first, second) of SystemTap's sys/sdt.h makes of the arguments below: a nop, and
 * a note that tells where it is and where the arguments are. With that header installed, include it instead.
 */
#define PROBE(name, format, first, second)						\
	__asm__ volatile(								\
		"990: nop\n"								\
		".pushsection .note.stapsdt, \"\", \"note\"\n"				\
		".balign 4\n"								\
		".4byte 992f - 991f, 994f - 993f, 3\n"					\
		"991: .asciz \"stapsdt\"\n"						\
		"992: .balign 4\n"							\
		"993: .8byte 990b, 0, 0\n"						\
		".asciz \"shop\"\n"							\
		".asciz \"" name "\"\n"							\
		".asciz \"" format "\"\n"						\
		"994: .balign 4\n"							\
		".popsection\n"								\
		:: "r" (first), "r" (second))

int main(void)
{
	char item[32];
	int quantity;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (scanf("%31s %d", item, &quantity) == 2) {
		int price = (int)strlen(item);	/* by the letter */

		PROBE("ordered", "8@%0 -4@%1", item, quantity);
		printf("%d %s: %d\n", quantity, item, quantity * price);
		PROBE("sold", "-4@%0 -4@%1", quantity, quantity * price);
	}
	return 0;
}
