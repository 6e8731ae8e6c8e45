/* qemu plugin: counts the arm64 instructions that the guest executes.
 *
 * close(977) in the guest appends the count since the previous close(977) to the file of out=PATH.
 * Built by benchmarks/arm_cost.py. Only what it uses of the plugin interface (version 1) is declared: Debian packages no header.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { CLOSE_ON_AARCH64 = 57, MARK = 977, ADD_U64 = 0 };

struct qemu_plugin_tb;
typedef void (*translated_fn)(uint64_t id, struct qemu_plugin_tb *block);
typedef void (*syscall_fn)(uint64_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                           uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translated_fn callback);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *target, uint64_t operand);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id, syscall_fn callback);

int qemu_plugin_version = 1;

static uint64_t executed;
static FILE *out;

/* One addition a block, not one a call: cheap enough to run whole programs. */
static void translated(uint64_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &executed, qemu_plugin_tb_n_insns(block));
}

static void on_syscall(uint64_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                       uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != CLOSE_ON_AARCH64 || a1 != MARK)
        return;
    fprintf(out, "%" PRIu64 "\n", executed);
    fflush(out);
    executed = 0;
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) != 0 || (out = fopen(argv[0] + 4, "w")) == NULL) {
        fprintf(stderr, "arm_cost: expected out=PATH of a file that can be written\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
