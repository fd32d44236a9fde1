/* From the PVH entry (32-bit, paging off, EBX = hvm_start_info) to boot_main at its high address,
 * and the way of the other processors from real mode to processor_main. The tables made here map
 * the first GiB twice, at 0 and at KERNEL_OFFSET; paging.c replaces them. */
#define OFFSET 0xffffffff80000000
#define PHYSICAL(symbol) (symbol - OFFSET)

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18          /* name size, size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad PHYSICAL(pvh_entry)

    .section .text.boot, "ax"
    .code32
    .globl pvh_entry
pvh_entry:
    cld
    movl $PHYSICAL(boot_top), %edi
    movl $PHYSICAL(boot_upper) + 3, (%edi)
    movl $PHYSICAL(boot_upper) + 3, 511 * 8(%edi)
    movl $PHYSICAL(boot_upper), %edi
    movl $PHYSICAL(boot_directory) + 3, (%edi)
    movl $PHYSICAL(boot_directory) + 3, 510 * 8(%edi)
    movl $PHYSICAL(boot_directory), %edi
    movl $0x83, %eax        /* present, writable, 2 MiB */
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    cmpl $0x40000083, %eax
    jne 1b

    movl $0x20, %eax        /* CR4.PAE */
    movl %eax, %cr4
    movl $PHYSICAL(boot_top), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx  /* EFER: long mode, no-execute */
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $0x80010033, %eax  /* CR0: PG, WP, NE, ET, MP, PE */
    movl %eax, %cr0
    lgdt PHYSICAL(boot_gdt_pointer)
    ljmpl $8, $PHYSICAL(boot_long)

    .code64
boot_long:
    movabsq $boot_high, %rax
    jmpq *%rax
boot_high:
    movl $0x10, %eax
    movl %eax, %ss
    movl %eax, %ds
    movl %eax, %es
    movabsq $boot_stack, %rax
    movq (%rax), %rsp
    xorl %ebp, %ebp
    movl %ebx, %edi
    pushq %rbp
    callq boot_main
    ud2

/* The start of another processor: smp.c copies this page to 0x8000 and sends it there. */
    .globl trampoline, trampoline_end
    .balign 16
    .code16
trampoline:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl 0x8000 + trampoline_gdt_pointer - trampoline
    movl $0x20, %eax
    movl %eax, %cr4
    movl $PHYSICAL(boot_top), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $0x80010033, %eax
    movl %eax, %cr0
    ljmpl $8, $0x8000 + trampoline_long - trampoline
    .code64
trampoline_long:
    movl $0x10, %eax
    movl %eax, %ss
    movl %eax, %ds
    movl %eax, %es
    movabsq $boot_stack, %rax
    movq (%rax), %rsp
    xorl %ebp, %ebp
    pushq %rbp
    movabsq $processor_main, %rax
    callq *%rax
    ud2
    .balign 8
trampoline_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
trampoline_gdt_pointer:
    .word 23
    .long 0x8000 + trampoline_gdt - trampoline
trampoline_end:

    .section .rodata, "a"
    .balign 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_pointer:
    .word 23
    .quad PHYSICAL(boot_gdt)

    .section .bss, "aw", @nobits
    .balign 4096
boot_top:
    .skip 4096
boot_upper:
    .skip 4096
boot_directory:
    .skip 4096
