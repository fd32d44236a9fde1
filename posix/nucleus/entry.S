/* The runtime's two doors: the upcall entry, and the way back into the program.
 *
 * In: rcx = thread page, rsp = its upcall_stack (the top of the thread's area), the program's
 * registers in frame[0]; or, for a fault inside the runtime, in frame[1], whose fault_kind is then not
 * 0. The bottom of the area is struct thread_state, whose first word is the thread page.
 *
 * Out, without the kernel: from runtime_check to runtime_tail is the restartable sequence. A kick that
 * finds the thread in it moves it to runtime_check, where everything is taken from the thread page
 * again; rsp stays in the area until the last but one instruction, so that the page can be found. The
 * last instruction is outside of both ranges: there all registers but rip are the program's, and
 * rip is rcx; a kick or fault there is the program's, and upcall.c mends its rip.
 *
 * So this way is good only for a program whose rcx is its rip, as behind a `syscall`. One that was
 * interrupted elsewhere, or is single-stepped, goes on by thread_resume, within the sequence too. */
#define AREA_SIZE 0x10000
#define KICK_PENDING 24
#define UPCALL_STACK 32
#define FRAME0 0x700
#define FRAME1 (0x700 + 176)
#define F_R8 0
#define F_R9 8
#define F_R10 16
#define F_R11 24
#define F_R12 32
#define F_R13 40
#define F_R14 48
#define F_R15 56
#define F_RDI 64
#define F_RSI 72
#define F_RBP 80
#define F_RBX 88
#define F_RDX 96
#define F_RAX 104
#define F_RCX 112
#define F_RSP 120
#define F_RIP 128
#define F_FLAGS 136
#define F_FAULT_KIND 144
#define SYS_THREAD_EXIT 0x1000b
#define SYS_THREAD_RESUME 0x1000d
#define FLAG_TRAP 0x100

    .section .header, "a"
    .long 0x31585350, 1
    .quad __image_size
    .quad runtime_start
    .quad runtime_entry
    .quad __image_start, __runtime_length
    .quad runtime_check, runtime_tail - runtime_check
    .quad vdso_image, vdso_end
    .zero 48

    .text
    .globl runtime_entry
    .type runtime_entry, @function
    .p2align 4
runtime_entry:
    endbr64
    cld
    cmpl $0, FRAME1 + F_FAULT_KIND(%rcx)
    jne inside
    movq %rcx, %rdi
    call runtime_upcall
    jmp runtime_check

/* A fault inside the runtime, on memory of the program: go on at the fix-up of that instruction.
 * There is no red zone in the runtime. */
inside:
    movq FRAME1 + F_RIP(%rcx), %rax
    leaq __fixups_start(%rip), %rdx
    leaq __fixups_end(%rip), %rsi
1:  cmpq %rsi, %rdx
    jae runtime_lost
    cmpq %rax, (%rdx)
    je 2f
    addq $16, %rdx
    jmp 1b
2:  movq 8(%rdx), %rax
    movq FRAME1 + F_RSP(%rcx), %rsp
    pushq %rax
    pushq FRAME1 + F_FLAGS(%rcx)
    movq FRAME1 + F_R8(%rcx), %r8
    movq FRAME1 + F_R9(%rcx), %r9
    movq FRAME1 + F_R10(%rcx), %r10
    movq FRAME1 + F_R11(%rcx), %r11
    movq FRAME1 + F_R12(%rcx), %r12
    movq FRAME1 + F_R13(%rcx), %r13
    movq FRAME1 + F_R14(%rcx), %r14
    movq FRAME1 + F_R15(%rcx), %r15
    movq FRAME1 + F_RDI(%rcx), %rdi
    movq FRAME1 + F_RSI(%rcx), %rsi
    movq FRAME1 + F_RBP(%rcx), %rbp
    movq FRAME1 + F_RBX(%rcx), %rbx
    movq FRAME1 + F_RDX(%rcx), %rdx
    movq FRAME1 + F_RAX(%rcx), %rax
    movq $0, FRAME1 + F_FAULT_KIND(%rcx)
    movq FRAME1 + F_RCX(%rcx), %rcx
    popfq
    ret

/* No fix-up: a defect of the runtime. The process ends as by SIGSEGV. */
runtime_lost:
    xorl %edi, %edi
    movl $1, %esi
    movl $11, %edx
    movl $1, %r10d
    movl $SYS_THREAD_EXIT, %eax
    syscall
    ud2

/* void child_resume(struct thread_page *): into the program from the top of the area. */
    .globl child_resume
    .type child_resume, @function
child_resume:
    movq UPCALL_STACK(%rdi), %rsp
    jmp runtime_check

    .section .sequence, "ax"
runtime_again:
    movq UPCALL_STACK(%rcx), %rsp
    cld
    movq %rcx, %rdi
    call runtime_pending

    .globl runtime_check
runtime_check:
    movq %rsp, %rcx
    subq $8, %rcx
    andq $-AREA_SIZE, %rcx
    movq (%rcx), %rcx
    cmpl $0, KICK_PENDING(%rcx)
    jne runtime_again
    movq UPCALL_STACK(%rcx), %rsp
    movq FRAME0 + F_RIP(%rcx), %rax
    cmpq FRAME0 + F_RCX(%rcx), %rax
    je 2f
1:  xorl %edi, %edi
    movl $SYS_THREAD_RESUME, %eax
    syscall
    jmp runtime_lost
2:  testl $FLAG_TRAP, FRAME0 + F_FLAGS(%rcx)
    jnz 1b
    pushq FRAME0 + F_RSP(%rcx)
    pushq FRAME0 + F_FLAGS(%rcx)
    movq FRAME0 + F_R8(%rcx), %r8
    movq FRAME0 + F_R9(%rcx), %r9
    movq FRAME0 + F_R10(%rcx), %r10
    movq FRAME0 + F_R11(%rcx), %r11
    movq FRAME0 + F_R12(%rcx), %r12
    movq FRAME0 + F_R13(%rcx), %r13
    movq FRAME0 + F_R14(%rcx), %r14
    movq FRAME0 + F_R15(%rcx), %r15
    movq FRAME0 + F_RDI(%rcx), %rdi
    movq FRAME0 + F_RSI(%rcx), %rsi
    movq FRAME0 + F_RBP(%rcx), %rbp
    movq FRAME0 + F_RBX(%rcx), %rbx
    movq FRAME0 + F_RDX(%rcx), %rdx
    movq FRAME0 + F_RAX(%rcx), %rax
    movq FRAME0 + F_RIP(%rcx), %rcx
    popfq
    popq %rsp
    .globl runtime_tail
runtime_tail:
    jmp *%rcx
    int3

    .text
/* void native_call(struct syscall_registers *, bool forks) */
    .globl native_call
    .type native_call, @function
    .p2align 4
native_call:
    endbr64
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movl %esi, %ebp
    movq %rdi, %r15
    movq 0(%r15), %rax
    movq 8(%r15), %rdi
    movq 16(%r15), %rsi
    movq 24(%r15), %rdx
    movq 32(%r15), %r10
    movq 40(%r15), %r8
    movq 48(%r15), %r9
    movq 56(%r15), %rbx
    movq 64(%r15), %r12
    movq 72(%r15), %r13
    syscall
    testl %ebp, %ebp
    jnz 2f
1:  movq %rax, 0(%r15)
    movq %rdi, 8(%r15)
    movq %rsi, 16(%r15)
    movq %rdx, 24(%r15)
    movq %r10, 32(%r15)
    movq %r8, 40(%r15)
    movq %r9, 48(%r15)
    movq %rbx, 56(%r15)
    movq %r12, 64(%r15)
    movq %r13, 72(%r15)
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
/* The child: its stack may be its parent's, who waits on it; so not a word is written here. */
2:  testl %eax, %eax
    jnz 1b
    testq %rdx, %rdx
    jnz 1b
    movq %r10, %rdi
    movl %r8d, %esi
    movq UPCALL_STACK(%rdi), %rsp
    /* the parent put the child's stack there for vfork: runtime[1] */
    movq 40 + 8(%rdi), %rax
    testq %rax, %rax
    cmovnzq %rax, %rsp
    pushq $0 /* no return: the stack begins here, so this is no recursion of a call on it */
    leaq child_begin(%rip), %rax
    jmp *%rax

/* The stack pointer, by which a thread finds its state. */
    .globl native_stack_pointer
    .type native_stack_pointer, @function
native_stack_pointer:
    endbr64
    movq %rsp, %rax
    ret

/* Entry of a new thread of clone(2): rdi = its state, rsi = its page; on the top of its area. */
    .globl thread_entry
    .type thread_entry, @function
thread_entry:
    endbr64
    call thread_begin
    ud2

/* Entry after exec: rdi = the new state's address, rsi = the page; on the top of the area. */
    .globl exec_entry
    .type exec_entry, @function
exec_entry:
    endbr64
    call exec_begin
    ud2

/* void stack_switch(uint64_t top, void (*run)(void *), void *argument) */
    .globl stack_switch
    .type stack_switch, @function
stack_switch:
    endbr64
    movq %rdi, %rsp
    movq %rdx, %rdi
    call *%rsi
    ud2

/* Entry of the first process: rdi = start block, rsi = page. */
    .globl runtime_start
    .type runtime_start, @function
runtime_start:
    endbr64
    call start_begin
    ud2

/* ---- the program's memory: bytes not copied come back; 0 is success ---- */

/* uint64_t user_copy(void *to, const void *from, size_t size): also with either side the program's. */
    .globl user_copy
    .type user_copy, @function
    .p2align 4
user_copy:
    endbr64
    movq %rdx, %rcx
    andl $7, %edx
    shrq $3, %rcx
3:  rep movsq
    movl %edx, %ecx
4:  rep movsb
    xorl %eax, %eax
    ret
5:  leaq (%rdx,%rcx,8), %rax
    ret
6:  movl %ecx, %eax
    ret

/* uint64_t user_clear(void *to, size_t size) */
    .globl user_clear
    .type user_clear, @function
user_clear:
    endbr64
    movq %rsi, %rcx
    xorl %eax, %eax
7:  rep stosb
    ret
8:  movq %rcx, %rax
    ret

/* int64_t user_copy_text(char *to, const char *from, size_t capacity): length, -1 fault, -2 too long */
    .globl user_copy_text
    .type user_copy_text, @function
user_copy_text:
    endbr64
    xorl %eax, %eax
    movabsq $0x0101010101010101, %r8
    movabsq $0x8080808080808080, %r9
/* Eight at a time, where they lie in one page and there is room: none is 0 in most. */
21: leaq 8(%rax), %r10
    cmpq %rdx, %r10
    ja 9f
    leaq (%rsi,%rax), %rcx
    andl $4095, %ecx
    cmpl $4088, %ecx
    ja 9f
22: movq (%rsi,%rax), %rcx
    movq %rcx, (%rdi,%rax)
    movq %rcx, %r11
    subq %r8, %r11
    notq %rcx
    andq %rcx, %r11
    andq %r9, %r11
    jnz 23f
    movq %r10, %rax
    jmp 21b
23: bsfq %r11, %r11
    shrl $3, %r11d
    addq %r11, %rax
    ret
9:  cmpq %rdx, %rax
    jae 11f
10: movb (%rsi,%rax), %cl
    movb %cl, (%rdi,%rax)
    testb %cl, %cl
    jz 12f
    incq %rax
    jmp 21b
11: movq $-2, %rax
12: ret
13: movq $-1, %rax
    ret

/* int user_compare_exchange(void *address, uint32_t *expected, uint32_t wanted): 0, or 1: fault */
    .globl user_compare_exchange
    .type user_compare_exchange, @function
user_compare_exchange:
    endbr64
    movl (%rsi), %eax
14: lock cmpxchgl %edx, (%rdi)
    movl %eax, (%rsi)
    xorl %eax, %eax
    ret
15: movl $1, %eax
    ret

/* int user_xsave(void *area, uint32_t extended), int user_xrstor(const void *area, uint32_t extended):
 * 0, or 1: fault. */
    .globl user_xsave
    .type user_xsave, @function
user_xsave:
    endbr64
    movl $-1, %eax
    movl $-1, %edx
    testl %esi, %esi
    jz 17f
16: xsave64 (%rdi)
    xorl %eax, %eax
    ret
17: fxsave64 (%rdi)
    xorl %eax, %eax
    ret
    .globl user_xrstor
    .type user_xrstor, @function
user_xrstor:
    endbr64
    movl $-1, %eax
    movl $-1, %edx
    testl %esi, %esi
    jz 19f
18: xrstor64 (%rdi)
    xorl %eax, %eax
    ret
19: fxrstor64 (%rdi)
    xorl %eax, %eax
    ret
20: movl $1, %eax
    ret

    .section .fixups, "a"
    .quad 16b, 20b
    .quad 17b, 20b
    .quad 18b, 20b
    .quad 19b, 20b
    .quad 3b, 5b
    .quad 4b, 6b
    .quad 7b, 8b
    .quad 10b, 13b
    .quad 22b, 13b
    .quad 14b, 15b

    .section .note.GNU-stack, "", @progbits
