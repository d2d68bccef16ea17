// RUN: xdsl-opt %s --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// CHECK: npu.semaphore has initial count -1, expected at least 0
%s = npu.semaphore {initial = -1 : i64}

// -----

// CHECK: npu.advance goes round 1 slots, expected at least 2
%b = host.buffer : !host.buffer<16x16xf16>
%slot = npu.advance %b of 1 : !host.buffer<16x16xf16>

// -----

// CHECK: unknown field 'where', npu.sync has
npu.sync(where = 1)

// -----

// CHECK: unknown field 'cols', npu.store has dram, dram_stride, rows, row_bytes, local, local_stride
npu.store(dram = 0, dram_stride = 2, rows = 1, row_bytes = 2, local = 0, local_stride = 2, cols = 1)

// -----

// CHECK: field 'local_stride' is not set and has no default
npu.load(dram = 0, dram_stride = 2, rows = 1, row_bytes = 2, local = 0)

// -----

// CHECK: field 'rows' is set twice
npu.load(dram = 0, dram_stride = 2, rows = 1, rows = 1, row_bytes = 2, local = 0, local_stride = 2)

// -----

// CHECK: field 'op' is 'avg', expected one of sum, max, sum_of_squares
npu.reduce(op = avg, dst = 0, dst_stride = 4, a = 0, a_stride = 4, a_type = f16, rows = 1, cols = 1)

// -----

// CHECK: field 'op' is 9, expected one of sum, max, sum_of_squares
"npu.reduce"() {fields = #npu.fields<op = [9], dst = [0], dst_stride = [4], a = [0], a_stride = [4], a_type = [0], rows = [1], cols = [1]>} : () -> ()

// -----

// CHECK: field 'dram' names operand 3, the instruction has 1
%i = arith.constant 0 : index
"npu.load"(%i) {fields = #npu.fields<dram = [0, 3, 1], dram_stride = [2], rows = [1], row_bytes = [2], local = [0], local_stride = [2]>} : (index) -> ()

// -----

// CHECK: field 'dram' is a constant and pairs of operand and coefficient, found 2 numbers
"test.op"() {f = #npu.fields<dram = [0, 1]>} : () -> ()

// -----

// CHECK: 1 values but 0 types
%i = arith.constant 0 : index
npu.mask(dst = 0, dst_stride = 4, rows = %i, cols = 1, limit = 1, rows_per_step = 1)

// -----

// CHECK: 3 waits, an instruction holds at most 2
%a, %b, %c = "test.op"() : () -> (!npu.semaphore, !npu.semaphore, !npu.semaphore)
npu.sync() wait(%a, %b, %c) : !npu.semaphore, !npu.semaphore, !npu.semaphore

// -----

// CHECK: posts have count 0, expected at least 1
%a = npu.semaphore {initial = 0 : i64}
npu.sync() post(%a : 0) : !npu.semaphore

// -----

// CHECK: waits name a value of type index, expected a semaphore
%i = arith.constant 0 : index
npu.sync() wait(%i) : index

// -----

// CHECK: npu.rotary: x has 64 elements a row, expected 48: 3 heads of 16
%x, %i = "test.op"() : () -> (!host.buffer<4x64xf16>, index)
npu.rotary half %x, @rope at %i -> %x rows %i {heads = 3 : i64, head_dim = 16 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>

// -----

// CHECK: npu.linear: load_tiles is 0, expected at least 1
%x, %rows = "test.op"() : () -> (!host.buffer<4x64xf16>, index)
npu.linear %x, @w -> %x rows %rows {load_tiles = 0 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>

// -----

// CHECK: npu.context: load_slots is 0, expected at least 1
%p, %o, %n = "test.op"() : () -> (!host.buffer<4x4x64xf16>, !host.buffer<4x64xf16>, index)
npu.context %p, @values[%n] at %n slot %n -> %o rows %n {load_slots = 0 : i64} : !host.buffer<4x4x64xf16> -> !host.buffer<4x64xf16>

// -----

// CHECK: npu.scores: s is !host.buffer<4x64xf32>, expected tokens x heads x context
%q, %s, %i = "test.op"() : () -> (!host.buffer<4x64xf16>, !host.buffer<4x64xf32>, index)
npu.scores %q, @keys[%i] at %i slot %i -> %s rows %i : !host.buffer<4x64xf16> -> !host.buffer<4x64xf32>

// -----

// CHECK: npu.softmax: p is !host.buffer<4x4x32xf16>, expected the shape of s, !host.buffer<4x4x64xf32>
%s, %p, %i = "test.op"() : () -> (!host.buffer<4x4x64xf32>, !host.buffer<4x4x32xf16>, index)
npu.softmax %s at %i -> %p rows %i {scale = 1.0 : f32} : !host.buffer<4x4x64xf32> -> !host.buffer<4x4x32xf16>

// -----

// CHECK: npu.elementwise add takes 2 buffers
%x, %i = "test.op"() : () -> (!host.buffer<4x64xf16>, index)
npu.elementwise add %x -> %x rows %i : !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>

// -----

// CHECK: npu.elementwise silu takes 1 buffers
%x, %i = "test.op"() : () -> (!host.buffer<4x64xf16>, index)
npu.elementwise silu %x, %x -> %x rows %i : !host.buffer<4x64xf16>, !host.buffer<4x64xf16> -> !host.buffer<4x64xf16>

// -----

// CHECK: #npu.row_major has keys row_bytes, stride, expected row_bytes
"test.op"() {l = #npu.row_major<row_bytes = 2, stride = 4>} : () -> ()

// -----

// CHECK: #npu.row_major has row_bytes = -2, expected at least 0
"test.op"() {l = #npu.row_major<row_bytes = -2>} : () -> ()

// -----

// CHECK: npu.core t has arrays -1, expected at least 0
"test.op"() {l = #npu.core<name = "t", arrays = -1, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 64, accumulator_bytes = 32, align_bytes = 32>} : () -> ()

// -----

// CHECK: npu.core t has align_bytes 24, expected a power of two
"test.op"() {l = #npu.core<name = "t", arrays = 1, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 64, accumulator_bytes = 32, align_bytes = 24>} : () -> ()

// -----

// CHECK: npu.core t has scratchpad_bytes 65, expected a multiple of align_bytes 32
"test.op"() {l = #npu.core<name = "t", arrays = 1, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65, accumulator_bytes = 32, align_bytes = 32>} : () -> ()
