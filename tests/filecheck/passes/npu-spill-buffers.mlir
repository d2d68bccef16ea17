// Kernels load the rows that they read from buffers of the plan and store those that they write.

// RUN: xdsl-opt %s -p npu-spill-buffers | filecheck %s

// CHECK:      host.memory @mirror : tensor<66x512xf16> layout #npu.row_major<row_bytes = 1024>

// CHECK:      func.func @rows(
// CHECK-NEXT:   %mirror = host.address_of @mirror
// CHECK-NEXT:   npu.load(dram = %mirror + %x, dram_stride = 64, rows = %rows, row_bytes = 64, local = %x, local_stride = 64) {source = "spill", queue = "ld1"}
// CHECK-NEXT:   npu.unary
// CHECK-NEXT:   %mirror_1 = host.address_of @mirror
// CHECK-NEXT:   npu.store(dram = %mirror_1 + %y, dram_stride = 64, rows = %rows, row_bytes = 64, local = %y, local_stride = 64) {source = "spill"}
// CHECK-NEXT:   func.return

// A kernel that loops over sequences moves the rows of each. What the PIM writes is on chip: no load of %o.
// CHECK:      func.func @sequences(
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   scf.for %sequence = %begin to %end step %c1 {
// CHECK-NEXT:     %first, %new, %past, %slot = host.sequence %sequence
// CHECK-NEXT:     npu.unary
// CHECK-NEXT:   }
// CHECK-NEXT:   %mirror = host.address_of @mirror
// CHECK-NEXT:   %0 = arith.constant 1 : index
// CHECK-NEXT:   scf.for %1 = %begin to %end step %0 {
// CHECK-NEXT:     %2, %3, %4, %5 = host.sequence %1
// CHECK-NEXT:     npu.store(dram = %mirror + %x + 64 * %2, dram_stride = 64, rows = %3, row_bytes = 64, local = %x + 64 * %2, local_stride = 64)
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return

// CHECK:      func.func @pim(
// CHECK-NEXT:   func.return
builtin.module attributes {npu.core = #npu.core<name = "t", arrays = 2, array_rows = 16, array_cols = 16, vector_lanes = 16, scratchpad_bytes = 65536, accumulator_bytes = 2048, align_bytes = 32>} {
  func.func @rows(%x: !host.buffer<8x32xf16>, %y: !host.buffer<8x32xf16>, %rows: index) attributes {device = "npu"} {
    npu.unary(function = relu, dst = %y, dst_stride = 64, dst_type = f16, a = %x, a_stride = 64, a_type = f16, rows = %rows, cols = 32, scale = 1.0, bias = 0.0) : !host.buffer<8x32xf16>, !host.buffer<8x32xf16>, index
    func.return
  }
  func.func @sequences(%o: !host.buffer<8x32xf16>, %x: !host.buffer<8x32xf16>, %begin: index, %end: index) attributes {device = "npu"} {
    %c1 = arith.constant 1 : index
    scf.for %sequence = %begin to %end step %c1 {
      %first, %new, %past, %slot = host.sequence %sequence
      npu.unary(function = relu, dst = %x + 64 * %first, dst_stride = 64, dst_type = f16, a = %o + 64 * %first, a_stride = 64, a_type = f16, rows = %new, cols = 32, scale = 1.0, bias = 0.0) : !host.buffer<8x32xf16>, index, !host.buffer<8x32xf16>, index
    }
    func.return
  }
  func.func @pim(%o: !host.buffer<8x32xf16>, %rows: index) attributes {device = "pim"} {
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %x = host.buffer : !host.buffer<8x32xf16>
    %o = host.buffer : !host.buffer<8x32xf16>
    %c0 = arith.constant 0 : index
    %e = host.start
    %e1 = host.launch @pim(%o, %rows) after(%e) : !host.buffer<8x32xf16>, index
    %e2 = host.launch @sequences(%o, %x, %c0, %sequences) after(%e1) : !host.buffer<8x32xf16>, !host.buffer<8x32xf16>, index, index
    %e3 = host.launch @rows(%x, %x, %rows) after(%e2) : !host.buffer<8x32xf16>, !host.buffer<8x32xf16>, index
    func.return
  }
}
