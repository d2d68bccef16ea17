// RUN: xdsl-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: pim.gemv: y is !host.buffer<4x64xf16>, expected f32: accumulators are read as fp32
%x, %i = "test.op"() : () -> (!host.buffer<4x64xf16>, index)
pim.gemv %x, @w -> %x rows %i : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>

// -----

// CHECK: pim.context: o is !host.buffer<4x64xf16>, expected f32: accumulators are read as fp32
%p, %o, %i = "test.op"() : () -> (!host.buffer<4x4x64xf16>, !host.buffer<4x64xf16>, index)
pim.context %p, @values[%i] at %i slot %i -> %o rows %i : !host.buffer<4x4x64xf16> -> !host.buffer<4x64xf16>

// -----

// CHECK: pim.scores: s is !host.buffer<4x64xf32>, expected tokens x heads x context of f32
%q, %s, %i = "test.op"() : () -> (!host.buffer<4x64xf16>, !host.buffer<4x64xf32>, index)
pim.scores %q, @keys[%i] at %i slot %i -> %s rows %i : !host.buffer<4x64xf16> -> !host.buffer<4x64xf32>

// -----

// CHECK: pim.softmax_rows: s is !host.buffer<4x4x64xf32>, expected f32 in the softmax buffer
%s, %p, %i = "test.op"() : () -> (!host.buffer<4x4x64xf32>, !host.buffer<4x4x64xf16, softmax>, index)
pim.softmax_rows %s at %i -> %p rows %i {scale = 1.0 : f32} : !host.buffer<4x4x64xf32> -> !host.buffer<4x4x64xf16, softmax>

// -----

// CHECK: pim.softmax_rows: p is !host.buffer<4x4x32xf16, softmax>, expected f16 in the softmax buffer in the shape of s
%s, %p, %i = "test.op"() : () -> (!host.buffer<4x4x64xf32, softmax>, !host.buffer<4x4x32xf16, softmax>, index)
pim.softmax_rows %s at %i -> %p rows %i {scale = 1.0 : f32} : !host.buffer<4x4x64xf32, softmax> -> !host.buffer<4x4x32xf16, softmax>

// -----

// CHECK: field 'space' is 'heap', expected one of local, softmax
pim.write_buffer(space = heap, src = 0, columns = 1, buffer_column = 0, channel = 0, channels = 1)

// -----

// CHECK: field 'row' is not set and has no default
pim.activate(channel = 0, channels = 1)

// -----

// CHECK: waits name a value of type !npu.semaphore, pim.mac takes none
%s = npu.semaphore {initial = 1 : i64}
pim.mac(column = 0, columns = 1, buffer_column = 0, channel = 0, channels = 1) wait(%s) : !npu.semaphore

// -----

// CHECK: #pim.keys has keys slots, channels, groups, expected slots, channels, groups, rows_per_token, heads_per_row, head_dim
"test.op"() {l = #pim.keys<slots = 1, channels = 2, groups = 1>} : () -> ()

// -----

// CHECK: #pim.staging has rows = -1, expected at least 0
"test.op"() {l = #pim.staging<rows = -1>} : () -> ()

// -----

// CHECK: #pim.staging has rows = [1], expected an integer
"test.op"() {l = #pim.staging<rows = [1]>} : () -> ()

// -----

// CHECK: pim.memory t has channels 0, expected at least 1
"test.op"() {l = #pim.memory<name = "t", channels = 0, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [mac]>} : () -> ()

// -----

// CHECK: pim.memory t has row_bytes 250, expected a power of two
"test.op"() {l = #pim.memory<name = "t", channels = 1, banks = 4, rows = 64, row_bytes = 250, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [mac]>} : () -> ()

// -----

// CHECK: pim.memory t has buffer_bytes 130, expected a multiple of column_bytes 32
"test.op"() {l = #pim.memory<name = "t", channels = 1, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 130, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [mac]>} : () -> ()

// -----

// CHECK: pim.memory t has the command 'think', expected one of write_buffer, copy_row, activate, mac, read_acc, precharge, write, read, scatter, softmax
"test.op"() {l = #pim.memory<name = "t", channels = 1, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [think]>} : () -> ()

// -----

// CHECK: pim.memory t has softmax_buffer_bytes 0, expected at least 1: it has the softmax command
"test.op"() {l = #pim.memory<name = "t", channels = 1, banks = 4, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [softmax]>} : () -> ()

// -----

// CHECK: pim.attend: in_flight is 3, expected 1 or 2: halves of a buffer
%x, %y, %s, %p, %i = "test.op"() : () -> (!host.buffer<1x64xf16>, !host.buffer<1x64xf32>, !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x64xf16, softmax>, index)
pim.attend %x, @keys, @values[%i] at %i slot %i via %s, %p -> %y rows %i {in_flight = 3 : i64, scale = 1.0 : f32} : !host.buffer<1x64xf16>, !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x64xf16, softmax> -> !host.buffer<1x64xf32>

// -----

// CHECK: pim.attend: s is !host.buffer<1x4x64xf32>, expected f32 in the softmax buffer
%x, %y, %s, %p, %i = "test.op"() : () -> (!host.buffer<1x64xf16>, !host.buffer<1x64xf32>, !host.buffer<1x4x64xf32>, !host.buffer<1x4x64xf16, softmax>, index)
pim.attend %x, @keys, @values[%i] at %i slot %i via %s, %p -> %y rows %i {in_flight = 1 : i64, scale = 1.0 : f32} : !host.buffer<1x64xf16>, !host.buffer<1x4x64xf32>, !host.buffer<1x4x64xf16, softmax> -> !host.buffer<1x64xf32>

// -----

// CHECK: pim.attend: p is !host.buffer<1x4x32xf16, softmax>, expected f16 in the softmax buffer in the shape of s
%x, %y, %s, %p, %i = "test.op"() : () -> (!host.buffer<1x64xf16>, !host.buffer<1x64xf32>, !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x32xf16, softmax>, index)
pim.attend %x, @keys, @values[%i] at %i slot %i via %s, %p -> %y rows %i {in_flight = 1 : i64, scale = 1.0 : f32} : !host.buffer<1x64xf16>, !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x32xf16, softmax> -> !host.buffer<1x64xf32>

// -----

// CHECK: pim.attend: o is !host.buffer<1x64xf16>, expected f32: results are read as fp32
%x, %s, %p, %i = "test.op"() : () -> (!host.buffer<1x64xf16>, !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x64xf16, softmax>, index)
pim.attend %x, @keys, @values[%i] at %i slot %i via %s, %p -> %x rows %i {in_flight = 1 : i64, scale = 1.0 : f32} : !host.buffer<1x64xf16>, !host.buffer<1x4x64xf32, softmax>, !host.buffer<1x4x64xf16, softmax> -> !host.buffer<1x64xf16>

// -----

// CHECK: pim.memory t has mac_operands column, expected one of both, row, none
"test.op"() {m = #pim.memory<name = "t", channels = 2, banks = 8, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [], mac_operands = "column">} : () -> ()

// -----

// CHECK: pim.memory t has parts 3, expected a divisor of the 8 banks
"test.op"() {m = #pim.memory<name = "t", channels = 2, banks = 8, rows = 64, row_bytes = 256, column_bytes = 32, buffer_bytes = 128, dual_row_buffer = false, softmax_buffer_bytes = 0, commands = [], parts = 3>} : () -> ()
