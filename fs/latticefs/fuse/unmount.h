#pragma once
/* umount.fuse.latticefs: unmounts, and returns when the last commit is on disk. */

/* Blocks: until the mount's process has let go of the pool's disks. */
int unmount_main(int argc, char *_Nonnull *_Nonnull argv);
