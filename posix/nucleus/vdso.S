/* The vDSO's file, as it lies in the runtime's image (module.mk builds it first). */
    .section .vdso, "a"
    .balign 4096
    .globl vdso_image
vdso_image:
    .incbin "vdso.so"
    .balign 4096
    .globl vdso_end
vdso_end:
    .section .note.GNU-stack, "", @progbits
