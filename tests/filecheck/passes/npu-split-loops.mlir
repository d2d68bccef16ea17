// A loop over sequences in which only the vector unit works becomes one loop per instruction.

// RUN: xdsl-opt %s -p npu-split-loops | filecheck %s

// Each loop has the scalars that its instruction needs; a buffer of the kernel has a place for each row of the step.
// CHECK:      func.func @softmax(
// CHECK-NEXT:   %c1 = arith.constant 1 : index
// CHECK-NEXT:   %statistic = host.buffer : !host.buffer<8x4xf32>
// CHECK-NEXT:   scf.for %sequence = %begin to %end step %c1 {
// CHECK-NEXT:     %first, %new, %past, %slot = host.sequence %sequence
// CHECK-NEXT:     %seen = arith.addi %past, %new : index
// CHECK-NEXT:     npu.reduce(op = max, dst = %statistic + 16 * %first, dst_stride = 4, a = %s + 512 * %first, a_stride = 128, a_type = f32, rows = 4 * %new, cols = %seen)
// CHECK-NEXT:   }
// CHECK-NEXT:   scf.for %sequence_1 = %begin to %end step %c1 {
// CHECK-NEXT:     %first_1, %new_1, %past_1, %slot_1 = host.sequence %sequence_1
// CHECK-NEXT:     npu.unary(function = reciprocal, dst = %statistic + 16 * %first_1, dst_stride = 4, dst_type = f32, a = %statistic + 16 * %first_1
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return

// Loads run beside the vector unit: this loop stays, and its buffer keeps one place.
// CHECK:      func.func @loads(
// CHECK:        scf.for %sequence = %begin to %end step %c1 {
// CHECK-NEXT:     %first, %new, %past, %slot = host.sequence %sequence
// CHECK-NEXT:     npu.load({{.*}}local = %statistic,
// CHECK-NEXT:     npu.unary({{.*}}dst = %s + 512 * %first,
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return

// What is written has no row of its sequence: the next one would overwrite it, so this loop stays, too.
// CHECK:      func.func @shared(
// CHECK:        scf.for
// CHECK:          npu.unary
// CHECK-NEXT:     npu.unary
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return
builtin.module {
  func.func @softmax(%s: !host.buffer<8x4x32xf32>, %begin: index, %end: index) attributes {device = "npu"} {
    %c1 = arith.constant 1 : index
    %statistic = host.buffer : !host.buffer<8x4xf32>
    scf.for %sequence = %begin to %end step %c1 {
      %first, %new, %past, %slot = host.sequence %sequence
      %seen = arith.addi %past, %new : index
      npu.reduce(op = max, dst = %statistic, dst_stride = 4, a = %s + 512 * %first, a_stride = 128, a_type = f32, rows = 4 * %new, cols = %seen) : !host.buffer<8x4xf32>, !host.buffer<8x4x32xf32>, index, index, index
      npu.unary(function = reciprocal, dst = %statistic, dst_stride = 4, dst_type = f32, a = %statistic, a_stride = 4, a_type = f32, rows = 4 * %new, cols = 1, scale = 1.0, bias = 0.0) : !host.buffer<8x4xf32>, index
    }
    func.return
  }
  func.func @loads(%s: !host.buffer<8x4x32xf32>, %begin: index, %end: index) attributes {device = "npu"} {
    %c1 = arith.constant 1 : index
    %statistic = host.buffer : !host.buffer<8x4xf32>
    scf.for %sequence = %begin to %end step %c1 {
      %first, %new, %past, %slot = host.sequence %sequence
      npu.load(dram = 0, dram_stride = 64, rows = 1, row_bytes = 64, local = %statistic, local_stride = 64) {queue = "ld0"} : !host.buffer<8x4xf32>
      npu.unary(function = exp, dst = %s + 512 * %first, dst_stride = 128, dst_type = f32, a = %statistic, a_stride = 4, a_type = f32, rows = 1, cols = 1, scale = 1.0, bias = 0.0) : !host.buffer<8x4x32xf32>, index, !host.buffer<8x4xf32>
    }
    func.return
  }
  func.func @shared(%s: !host.buffer<8x4x32xf32>, %begin: index, %end: index) attributes {device = "npu"} {
    %c1 = arith.constant 1 : index
    scf.for %sequence = %begin to %end step %c1 {
      %first, %new, %past, %slot = host.sequence %sequence
      npu.unary(function = exp, dst = %s, dst_stride = 128, dst_type = f32, a = %s + 512 * %first, a_stride = 128, a_type = f32, rows = 1, cols = 1, scale = 1.0, bias = 0.0) : !host.buffer<8x4x32xf32>, index
      npu.unary(function = exp, dst = %s, dst_stride = 128, dst_type = f32, a = %s, a_stride = 128, a_type = f32, rows = 1, cols = 1, scale = 1.0, bias = 0.0) : !host.buffer<8x4x32xf32>
    }
    func.return
  }
}
