// RUN: xdsl-opt -p 'attach-machine{name=tiny}' %s | filecheck %s
// RUN: xdsl-opt -p 'attach-machine{name=tiny mac-operands=none}' %s | filecheck %s --check-prefix=NONE
// RUN: xdsl-opt -p 'attach-machine{name=attacc-bank}' %s | filecheck %s --check-prefix=PARTS
// RUN: xdsl-opt -p 'attach-machine{name=tiny},attach-machine{name=neupims}' %s | filecheck %s --check-prefix=TWICE

builtin.module {}

// CHECK: builtin.module attributes {machine.name = "tiny", machine.source = "invented for tests",
// CHECK-SAME: npu.core = #npu.core<name = "tiny", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 1048576, accumulator_bytes = 65536, align_bytes = 32, dataflow = "weight_stationary", array_overlap = true, weight_rows_per_cycle = 1, min_stream_rows = 4, vector_min_cycles = 4, vector_latency_cycles = 8, gemv_cycles = 1, dma_latency_cycles = 10, dma_issue_cycles = 1, dma_outstanding_bytes = 8192, dram_bytes_per_kilocycle = 64000, row_latency_cycles = 36>,
// CHECK-SAME: pim.memory = #pim.memory<name = "tiny", channels = 4, banks = 4, rows = 16384, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 65536, commands = [write_buffer, activate, mac, read_acc, precharge, write, read, scatter, softmax]>}

// A machine that is attached again is replaced.
// TWICE: machine.name = "neupims"
// TWICE-SAME: npu.core = #npu.core<name = "neupims", arrays = 8, array_rows = 128
// TWICE-SAME: dual_row_buffer = true

// What a MAC may name can be narrowed for another simulator; a machine may say so itself.
// NONE: commands = [{{.*}}], mac_operands = "none">
// PARTS: mac_operands = "row", parts = 16>
