// A semaphore for each dependence between two queues.

// RUN: xdsl-opt %s -p npu-insert-semaphores | filecheck %s

// @chain: the product waits for the gain, the store for the last vector instruction, which follows the product anyway.
// @ring: the load takes one of two credits that the preload returns; a whole loop posts through npu.sync.
// @shared_bytes: %a and %b overlap, so the load waits; %c overlaps nothing that is used before.
// @full_hands: an instruction holds two waits, the third goes into npu.sync.
// CHECK:        func.func @chain(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
// CHECK-NEXT:     %0 = npu.semaphore {initial = 0 : i64}
// CHECK-NEXT:     %1 = npu.semaphore {initial = 0 : i64}
// CHECK:          npu.load(dram = %w, dram_stride = 128, rows = 1, row_bytes = 128, local = %gain, local_stride = 128) post(%1) {queue = "ld1"} : index, !host.buffer<1x64xf16>, !npu.semaphore
// CHECK-NEXT:     npu.binary(op = mul, dst = %x, dst_stride = 128, dst_type = f16, a = %x, a_stride = 128, a_type = f16, b = %gain, b_stride = 0, b_type = f16, broadcast = row, rows = 4, cols = 64) wait(%1) : !host.buffer<4x64xf16>, !host.buffer<1x64xf16>, !npu.semaphore
// CHECK-NEXT:     npu.unary(function = silu, dst = %x, dst_stride = 128, dst_type = f16, a = %x, a_stride = 128, a_type = f16, rows = 4, cols = 64) post(%0) : !host.buffer<4x64xf16>, !npu.semaphore
// CHECK-NEXT:     npu.store(dram = %v, dram_stride = 128, rows = 4, row_bytes = 128, local = %x, local_stride = 128) wait(%0) : index, !host.buffer<4x64xf16>, !npu.semaphore
// CHECK:        func.func @ring(%x: !host.buffer<4x64xf16>, %n: index) attributes {device = "npu"} {
// CHECK-NEXT:     %0 = npu.semaphore {initial = 0 : i64}
// CHECK-NEXT:     %1 = npu.semaphore {initial = 2 : i64}
// CHECK-NEXT:     %2 = npu.semaphore {initial = 0 : i64}
// CHECK:          scf.for %i = %c0 to %n step %c1 {
// CHECK-NEXT:       %slot = npu.advance %tile of 2 : !host.buffer<16x16xf16>
// CHECK-NEXT:       npu.load(dram = %w + 512 * %i, dram_stride = 512, rows = 1, row_bytes = 512, local = %tile + 512 * %slot, local_stride = 512) wait(%1) post(%2) : index, index, !host.buffer<16x16xf16>, index, !npu.semaphore, !npu.semaphore
// CHECK-NEXT:       npu.preload(array = 0, weights = %tile + 512 * %slot, weights_stride = 32, k = 16, n = 16) wait(%2) post(%1) : !host.buffer<16x16xf16>, index, !npu.semaphore, !npu.semaphore
// CHECK-NEXT:       npu.matmul(array = 0, a = %x, a_stride = 128, m = 4, k = 16, n = 16, acc = %sums, acc_stride = 64, accumulate = %i) : !host.buffer<4x64xf16>, !host.buffer<4x16xf32>, index
// CHECK-NEXT:     }
// CHECK-NEXT:     npu.sync() post(%0) {queue = "mx"} : !npu.semaphore
// CHECK-NEXT:     npu.unary(function = copy, dst = %x, dst_stride = 128, dst_type = f16, a = %sums, a_stride = 64, a_type = f32, rows = 4, cols = 16) wait(%0) : !host.buffer<4x64xf16>, !host.buffer<4x16xf32>, !npu.semaphore
// CHECK:        func.func @shared_bytes(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
// CHECK-NEXT:     %0 = npu.semaphore {initial = 0 : i64}
// CHECK:          npu.unary(function = copy, dst = %x, dst_stride = 128, dst_type = f16, a = %a, a_stride = 128, a_type = f16, rows = 4, cols = 64) post(%0) : !host.buffer<4x64xf16>, !host.buffer<4x64xf16>, !npu.semaphore
// CHECK-NEXT:     npu.load(dram = %w, dram_stride = 128, rows = 4, row_bytes = 128, local = %b, local_stride = 128) wait(%0) : index, !host.buffer<4x64xf16>, !npu.semaphore
// CHECK-NEXT:     npu.load(dram = %w, dram_stride = 128, rows = 4, row_bytes = 128, local = %c, local_stride = 128) {queue = "ld1"} : index, !host.buffer<4x64xf16>
// CHECK:        func.func @full_hands(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %z: !host.buffer<4x64xf16>) attributes {device = "npu"} {
// CHECK-NEXT:     %0 = npu.semaphore {initial = 0 : i64}
// CHECK-NEXT:     %1 = npu.semaphore {initial = 0 : i64}
// CHECK-NEXT:     %2 = npu.semaphore {initial = 0 : i64}
// CHECK:          npu.load(dram = %w, dram_stride = 128, rows = 4, row_bytes = 128, local = %x, local_stride = 128) post(%2) : index, !host.buffer<4x64xf16>, !npu.semaphore
// CHECK-NEXT:     npu.load(dram = %w, dram_stride = 128, rows = 4, row_bytes = 128, local = %y, local_stride = 128) post(%1) {queue = "ld1"} : index, !host.buffer<4x64xf16>, !npu.semaphore
// CHECK-NEXT:     npu.preload(array = 0, weights = %z, weights_stride = 128, k = 4, n = 64) post(%0) : !host.buffer<4x64xf16>, !npu.semaphore
// CHECK-NEXT:     npu.sync() wait(%0) {queue = "vx"} : !npu.semaphore
// CHECK-NEXT:     npu.binary(op = add, dst = %z, dst_stride = 128, dst_type = f16, a = %x, a_stride = 128, a_type = f16, b = %y, b_stride = 128, b_type = f16, broadcast = tile, rows = 4, cols = 64) wait(%2, %1) : !host.buffer<4x64xf16>, !host.buffer<4x64xf16>, !host.buffer<4x64xf16>, !npu.semaphore, !npu.semaphore

builtin.module {
  host.memory @w : tensor<64x64xf16> layout #npu.row_major<row_bytes = 128>
  host.memory @v : tensor<64x64xf16> layout #npu.row_major<row_bytes = 128>
  func.func @chain(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
    %gain = host.buffer : !host.buffer<1x64xf16>
    %w = host.address_of @w
    %v = host.address_of @v
    npu.load(dram = %w, dram_stride = 128, rows = 1, row_bytes = 128, local = %gain, local_stride = 128) {queue = "ld1"} : index, !host.buffer<1x64xf16>
    npu.binary(op = mul, dst = %x, dst_stride = 128, dst_type = f16, a = %x, a_stride = 128, a_type = f16, b = %gain, b_stride = 0, b_type = f16, broadcast = row, rows = 4, cols = 64) : !host.buffer<4x64xf16>, !host.buffer<1x64xf16>
    npu.unary(function = silu, dst = %x, dst_stride = 128, dst_type = f16, a = %x, a_stride = 128, a_type = f16, rows = 4, cols = 64) : !host.buffer<4x64xf16>
    npu.store(dram = %v, dram_stride = 128, rows = 4, row_bytes = 128, local = %x, local_stride = 128) : index, !host.buffer<4x64xf16>
    func.return
  }
  func.func @ring(%x: !host.buffer<4x64xf16>, %n: index) attributes {device = "npu"} {
    %tile = host.buffer {slots = 2 : i64} : !host.buffer<16x16xf16>
    %sums = host.buffer : !host.buffer<4x16xf32>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %w = host.address_of @w
    scf.for %i = %c0 to %n step %c1 {
      %slot = npu.advance %tile of 2 : !host.buffer<16x16xf16>
      npu.load(dram = %w + 512 * %i, dram_stride = 512, rows = 1, row_bytes = 512, local = %tile + 512 * %slot, local_stride = 512) : index, index, !host.buffer<16x16xf16>, index
      npu.preload(array = 0, weights = %tile + 512 * %slot, weights_stride = 32, k = 16, n = 16) : !host.buffer<16x16xf16>, index
      npu.matmul(array = 0, a = %x, a_stride = 128, m = 4, k = 16, n = 16, acc = %sums, acc_stride = 64, accumulate = %i) : !host.buffer<4x64xf16>, !host.buffer<4x16xf32>, index
    }
    npu.unary(function = copy, dst = %x, dst_stride = 128, dst_type = f16, a = %sums, a_stride = 64, a_type = f32, rows = 4, cols = 16) : !host.buffer<4x64xf16>, !host.buffer<4x16xf32>
    func.return
  }
  func.func @shared_bytes(%x: !host.buffer<4x64xf16>) attributes {device = "npu"} {
    %a = host.buffer {address = 0 : i64} : !host.buffer<4x64xf16>
    %b = host.buffer {address = 256 : i64} : !host.buffer<4x64xf16>
    %c = host.buffer {address = 768 : i64} : !host.buffer<4x64xf16>
    %w = host.address_of @w
    npu.unary(function = copy, dst = %x, dst_stride = 128, dst_type = f16, a = %a, a_stride = 128, a_type = f16, rows = 4, cols = 64) : !host.buffer<4x64xf16>, !host.buffer<4x64xf16>
    npu.load(dram = %w, dram_stride = 128, rows = 4, row_bytes = 128, local = %b, local_stride = 128) : index, !host.buffer<4x64xf16>
    npu.load(dram = %w, dram_stride = 128, rows = 4, row_bytes = 128, local = %c, local_stride = 128) {queue = "ld1"} : index, !host.buffer<4x64xf16>
    func.return
  }
  func.func @full_hands(%x: !host.buffer<4x64xf16>, %y: !host.buffer<4x64xf16>, %z: !host.buffer<4x64xf16>) attributes {device = "npu"} {
    %w = host.address_of @w
    npu.load(dram = %w, dram_stride = 128, rows = 4, row_bytes = 128, local = %x, local_stride = 128) : index, !host.buffer<4x64xf16>
    npu.load(dram = %w, dram_stride = 128, rows = 4, row_bytes = 128, local = %y, local_stride = 128) {queue = "ld1"} : index, !host.buffer<4x64xf16>
    npu.preload(array = 0, weights = %z, weights_stride = 128, k = 4, n = 64) : !host.buffer<4x64xf16>
    npu.binary(op = add, dst = %z, dst_stride = 128, dst_type = f16, a = %x, a_stride = 128, a_type = f16, b = %y, b_stride = 128, b_type = f16, broadcast = tile, rows = 4, cols = 64) : !host.buffer<4x64xf16>, !host.buffer<4x64xf16>, !host.buffer<4x64xf16>
    func.return
  }
}
