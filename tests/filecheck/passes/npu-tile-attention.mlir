// Attention on the NPU: tiles of keys and values are the weights of the arrays, or pass through the vector unit.

// RUN: xdsl-opt %s -p npu-tile | filecheck %s

// Two queries share a KV head; they stream through the same tile. Softmax covers whole tiles, so that what follows reads zeros.
// Tiles of keys go to the arrays in turn; heads of the context do, and are drained together.
// CHECK:        func.func @append(%k: !host.buffer<4x32xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %keys = host.address_of @keys
// CHECK-NEXT:     scf.for %head = %c0 to %c2 step %c1 {
// CHECK-NEXT:       npu.store(dram = %keys + 4096 * %layer + 2048 * %slot + 32 * %past + 1024 * %head, dram_stride = 32, rows = %rows, row_bytes = 32, local = %k + 32 * %head, local_stride = 64) : index, index, index, index, index, index, !host.buffer<4x32xf16>
// CHECK-NEXT:     }
// CHECK-NEXT:     %values = host.address_of @values
// CHECK-NEXT:     scf.for %head_1 = %c0 to %c2 step %c1 {
// CHECK-NEXT:       npu.store(dram = %values + 4096 * %layer + 2048 * %slot + 32 * %past + 1024 * %head_1, dram_stride = 32, rows = %rows, row_bytes = 32, local = %k + 32 * %head_1, local_stride = 64) : index, index, index, index, index, index, !host.buffer<4x32xf16>
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK:        func.func @scores(%q: !host.buffer<4x64xf16>, %s: !host.buffer<4x4x32xf32>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %key_tile = host.buffer : !host.buffer<16x16xf16>
// CHECK-NEXT:     %keys = host.address_of @keys
// CHECK-NEXT:     scf.for %head = %c0 to %c2 step %c1 {
// CHECK-NEXT:       %0 = arith.addi %past, %rows : index
// CHECK-NEXT:       %loads = arith.ceildivui %0, %c16 : index
// CHECK-NEXT:       scf.for %load = %c0 to %loads step %c1 {
// CHECK-NEXT:         npu.load(dram = %keys + 4096 * %layer + 2048 * %slot + 512 * %load + 1024 * %head, dram_stride = 512, rows = 1, row_bytes = 512, local = %key_tile, local_stride = 512) {queue = "ld0"} : index, index, index, index, index, !host.buffer<16x16xf16>
// CHECK-NEXT:         scf.for %part = %c0 to %c1 step %c1 {
// CHECK-NEXT:           %1 = arith.addi %head, %load : index
// CHECK-NEXT:           %array = arith.remui %1, %c2 : index
// CHECK-NEXT:           npu.preload(array = %array, weights = %key_tile + 32 * %part, weights_stride = 32, k = 16, n = 16, transpose = 1) : index, !host.buffer<16x16xf16>, index
// CHECK-NEXT:           scf.for %query = %c0 to %c2 step %c1 {
// CHECK-NEXT:             npu.matmul(array = %array, a = %q + 64 * %head + 32 * %query + 32 * %part, a_stride = 128, m = %rows, k = 16, n = 16, acc = %s + 256 * %head + 128 * %query + 64 * %load, acc_stride = 512, accumulate = %part) : index, !host.buffer<4x64xf16>, index, index, index, index, !host.buffer<4x4x32xf32>, index
// CHECK-NEXT:           }
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return
// CHECK:        func.func @softmax(%s: !host.buffer<4x4x32xf32>, %p: !host.buffer<4x4x32xf16>, %past: index, %rows: index) attributes {device = "npu"} {
// CHECK-NEXT:     %statistic = host.buffer : !host.buffer<4x4xf32>
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %0 = arith.addi %past, %rows : index
// CHECK-NEXT:     %1 = arith.ceildivui %0, %c16 : index
// CHECK-NEXT:     npu.mask(dst = %s, dst_stride = 128, rows = 4 * %rows, cols = 16 * %1, limit = 1 + %past, rows_per_step = 4) : !host.buffer<4x4x32xf32>, index, index, index
// CHECK-NEXT:     npu.reduce(op = max, dst = %statistic, dst_stride = 4, a = %s, a_stride = 128, a_type = f32, rows = 4 * %rows, cols = 16 * %1) : !host.buffer<4x4xf32>, !host.buffer<4x4x32xf32>, index, index
// CHECK-NEXT:     npu.binary(op = sub, dst = %s, dst_stride = 128, dst_type = f32, a = %s, a_stride = 128, a_type = f32, b = %statistic, b_stride = 4, b_type = f32, broadcast = column, rows = 4 * %rows, cols = 16 * %1) : !host.buffer<4x4x32xf32>, !host.buffer<4x4xf32>, index, index
// CHECK-NEXT:     npu.unary(function = exp, dst = %s, dst_stride = 128, dst_type = f32, a = %s, a_stride = 128, a_type = f32, rows = 4 * %rows, cols = 16 * %1, scale = 0.25, bias = 0.0) : !host.buffer<4x4x32xf32>, index, index
// CHECK-NEXT:     npu.reduce(op = sum, dst = %statistic, dst_stride = 4, a = %s, a_stride = 128, a_type = f32, rows = 4 * %rows, cols = 16 * %1) : !host.buffer<4x4xf32>, !host.buffer<4x4x32xf32>, index, index
// CHECK-NEXT:     npu.unary(function = reciprocal, dst = %statistic, dst_stride = 4, dst_type = f32, a = %statistic, a_stride = 4, a_type = f32, rows = 4 * %rows, cols = 1, scale = 1.0, bias = 0.0) : !host.buffer<4x4xf32>, index
// CHECK-NEXT:     npu.binary(op = mul, dst = %p, dst_stride = 64, dst_type = f16, a = %s, a_stride = 128, a_type = f32, b = %statistic, b_stride = 4, b_type = f32, broadcast = column, rows = 4 * %rows, cols = 16 * %1) : !host.buffer<4x4x32xf16>, !host.buffer<4x4x32xf32>, !host.buffer<4x4xf32>, index, index
// CHECK-NEXT:     func.return
// CHECK:        func.func @context(%p: !host.buffer<4x4x32xf16>, %o: !host.buffer<4x64xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %sums = host.buffer : !host.buffer<4x64xf32>
// CHECK-NEXT:     %value_tile = host.buffer : !host.buffer<16x16xf16>
// CHECK-NEXT:     %values = host.address_of @values
// CHECK-NEXT:     %0 = arith.addi %past, %rows : index
// CHECK-NEXT:     %loads = arith.ceildivui %0, %c16 : index
// CHECK-NEXT:     scf.for %load = %c0 to %loads step %c1 {
// CHECK-NEXT:       scf.for %head = %c0 to %c2 step %c1 {
// CHECK-NEXT:         npu.load(dram = %values + 4096 * %layer + 2048 * %slot + 512 * %load + 1024 * %head, dram_stride = 512, rows = 1, row_bytes = 512, local = %value_tile, local_stride = 512) {queue = "ld0"} : index, index, index, index, index, !host.buffer<16x16xf16>
// CHECK-NEXT:         scf.for %part = %c0 to %c1 step %c1 {
// CHECK-NEXT:           %1 = arith.addi %head, %part : index
// CHECK-NEXT:           %array = arith.remui %1, %c2 : index
// CHECK-NEXT:           npu.preload(array = %array, weights = %value_tile + 32 * %part, weights_stride = 32, k = 16, n = 16, transpose = 0) : index, !host.buffer<16x16xf16>, index
// CHECK-NEXT:           scf.for %query = %c0 to %c2 step %c1 {
// CHECK-NEXT:             npu.matmul(array = %array, a = %p + 128 * %head + 64 * %query + 32 * %load, a_stride = 256, m = %rows, k = 16, n = 16, acc = %sums + 128 * %head + 64 * %query + 64 * %part, acc_stride = 256, accumulate = %load) : index, !host.buffer<4x4x32xf16>, index, index, index, index, !host.buffer<4x64xf32>, index
// CHECK-NEXT:           }
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     npu.unary(function = copy, dst = %o, dst_stride = 128, dst_type = f16, a = %sums, a_stride = 256, a_type = f32, rows = %rows, cols = 64, scale = 1.0, bias = 0.0) : !host.buffer<4x64xf16>, !host.buffer<4x64xf32>, index
// CHECK-NEXT:     func.return

// The vector unit multiplies all keys of a load at once.
// CHECK:        func.func @scores_vector(%q: !host.buffer<4x64xf16>, %s: !host.buffer<4x4x32xf32>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %c32 = arith.constant 32 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %key_tile = host.buffer {planned_slots = 3 : i64} : !host.buffer<32x16xf16>
// CHECK-NEXT:     %keys = host.address_of @keys
// CHECK-NEXT:     scf.for %head = %c0 to %c2 step %c1 {
// CHECK-NEXT:       %0 = arith.addi %past, %rows : index
// CHECK-NEXT:       %loads = arith.ceildivui %0, %c32 : index
// CHECK-NEXT:       scf.for %load = %c0 to %loads step %c1 {
// CHECK-NEXT:         %1 = arith.addi %past, %rows : index
// CHECK-NEXT:         %tiles = arith.ceildivui %1, %c16 : index
// CHECK-NEXT:         %2 = arith.muli %tiles, %c16 : index
// CHECK-NEXT:         %3 = arith.muli %load, %c32 : index
// CHECK-NEXT:         %4 = arith.subi %2, %3 : index
// CHECK-NEXT:         %tokens = arith.minui %4, %c32 : index
// CHECK-NEXT:         npu.load(dram = %keys + 4096 * %layer + 2048 * %slot + 1024 * %load + 1024 * %head, dram_stride = 32, rows = %tokens, row_bytes = 32, local = %key_tile, local_stride = 32) {queue = "ld0"} : index, index, index, index, index, index, !host.buffer<32x16xf16>
// CHECK-NEXT:         scf.for %part = %c0 to %c1 step %c1 {
// CHECK-NEXT:           scf.for %query = %c0 to %c2 step %c1 {
// CHECK-NEXT:             npu.gemv(weights = %key_tile + 32 * %part, weights_stride = 32, transpose = 1, a = %q + 64 * %head + 32 * %query + 32 * %part, a_stride = 128, m = %rows, k = 16, n = %tokens, acc = %s + 256 * %head + 128 * %query + 128 * %load, acc_stride = 512, accumulate = %part) : !host.buffer<32x16xf16>, index, !host.buffer<4x64xf16>, index, index, index, index, !host.buffer<4x4x32xf32>, index
// CHECK-NEXT:           }
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     func.return

// A load of several tiles brings no more than the sequence has; an array takes them one by one.
// CHECK:        func.func @context_loads(%p: !host.buffer<4x4x32xf16>, %o: !host.buffer<4x64xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
// CHECK-NEXT:     %c2 = arith.constant 2 : index
// CHECK-NEXT:     %c16 = arith.constant 16 : index
// CHECK-NEXT:     %c1 = arith.constant 1 : index
// CHECK-NEXT:     %c0 = arith.constant 0 : index
// CHECK-NEXT:     %c32 = arith.constant 32 : index
// CHECK-NEXT:     %sums = host.buffer : !host.buffer<4x64xf32>
// CHECK-NEXT:     %value_tile = host.buffer : !host.buffer<32x16xf16>
// CHECK-NEXT:     %values = host.address_of @values
// CHECK-NEXT:     %0 = arith.addi %past, %rows : index
// CHECK-NEXT:     %loads = arith.ceildivui %0, %c32 : index
// CHECK-NEXT:     scf.for %load = %c0 to %loads step %c1 {
// CHECK-NEXT:       %1 = arith.addi %past, %rows : index
// CHECK-NEXT:       %tiles = arith.ceildivui %1, %c16 : index
// CHECK-NEXT:       %2 = arith.muli %tiles, %c16 : index
// CHECK-NEXT:       %3 = arith.muli %load, %c32 : index
// CHECK-NEXT:       %4 = arith.subi %2, %3 : index
// CHECK-NEXT:       %tokens = arith.minui %4, %c32 : index
// CHECK-NEXT:       scf.for %head = %c0 to %c2 step %c1 {
// CHECK-NEXT:         npu.load(dram = %values + 4096 * %layer + 2048 * %slot + 1024 * %load + 1024 * %head, dram_stride = 32, rows = %tokens, row_bytes = 32, local = %value_tile, local_stride = 32) {queue = "ld0"} : index, index, index, index, index, index, !host.buffer<32x16xf16>
// CHECK-NEXT:         %tiles_1 = arith.divui %tokens, %c16 : index
// CHECK-NEXT:         scf.for %tile = %c0 to %tiles_1 step %c1 {
// CHECK-NEXT:           scf.for %part = %c0 to %c1 step %c1 {
// CHECK-NEXT:             %5 = arith.addi %head, %part : index
// CHECK-NEXT:             %array = arith.remui %5, %c2 : index
// CHECK-NEXT:             npu.preload(array = %array, weights = %value_tile + 512 * %tile + 32 * %part, weights_stride = 32, k = 16, n = 16, transpose = 0) : index, !host.buffer<32x16xf16>, index, index
// CHECK-NEXT:             scf.for %query = %c0 to %c2 step %c1 {
// CHECK-NEXT:               npu.matmul(array = %array, a = %p + 128 * %head + 64 * %query + 64 * %load + 32 * %tile, a_stride = 256, m = %rows, k = 16, n = 16, acc = %sums + 128 * %head + 64 * %query + 64 * %part, acc_stride = 256, accumulate = %load + %tile) : index, !host.buffer<4x4x32xf16>, index, index, index, index, index, !host.buffer<4x64xf32>, index
// CHECK-NEXT:             }
// CHECK-NEXT:           }
// CHECK-NEXT:         }
// CHECK-NEXT:       }
// CHECK-NEXT:     }
// CHECK-NEXT:     npu.unary(function = copy, dst = %o, dst_stride = 128, dst_type = f16, a = %sums, a_stride = 256, a_type = f32, rows = %rows, cols = 64, scale = 1.0, bias = 0.0) : !host.buffer<4x64xf16>, !host.buffer<4x64xf32>, index
// CHECK-NEXT:     func.return

builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 4096, align_bytes = 32>} {
  host.memory @keys : tensor<2x2x2x32x16xf16> layout #npu.row_major<row_bytes = 32>
  host.memory @values : tensor<2x2x2x32x16xf16> layout #npu.row_major<row_bytes = 32>
  func.func @append(%k: !host.buffer<4x32xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
    npu.kv_append %k, %k, @keys, @values[%layer] at %past slot %slot rows %rows : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>
    func.return
  }
  func.func @scores(%q: !host.buffer<4x64xf16>, %s: !host.buffer<4x4x32xf32>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
    npu.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows : !host.buffer<4x64xf16> -> !host.buffer<4x4x32xf32>
    func.return
  }
  func.func @softmax(%s: !host.buffer<4x4x32xf32>, %p: !host.buffer<4x4x32xf16>, %past: index, %rows: index) attributes {device = "npu"} {
    npu.softmax %s at %past -> %p rows %rows {scale = 2.500000e-01 : f32} : !host.buffer<4x4x32xf32> -> !host.buffer<4x4x32xf16>
    func.return
  }
  func.func @context(%p: !host.buffer<4x4x32xf16>, %o: !host.buffer<4x64xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
    npu.context %p, @values[%layer] at %past slot %slot -> %o rows %rows : !host.buffer<4x4x32xf16> -> !host.buffer<4x64xf16>
    func.return
  }
  func.func @scores_vector(%q: !host.buffer<4x64xf16>, %s: !host.buffer<4x4x32xf32>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
    npu.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows {unit = #npu<unit vector>, load_tokens = 32 : i64, load_slots = 3 : i64} : !host.buffer<4x64xf16> -> !host.buffer<4x4x32xf32>
    func.return
  }
  func.func @context_loads(%p: !host.buffer<4x4x32xf16>, %o: !host.buffer<4x64xf16>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "npu"} {
    npu.context %p, @values[%layer] at %past slot %slot -> %o rows %rows {load_tokens = 32 : i64} : !host.buffer<4x4x32xf16> -> !host.buffer<4x64xf16>
    func.return
  }
}
