// RUN: xdsl-opt %s -p npu-fold-copies | filecheck %s

// An element-wise op reads the sums itself; the rounded copy and its buffer are gone.
// CHECK-LABEL: func.func @folded
// CHECK-NEXT:    npu.elementwise add %x, %sums -> %x rows %rows : !host.buffer<4x8xf16>, !host.buffer<4x8xf32> -> !host.buffer<4x8xf16>
// CHECK-NEXT:    func.return
func.func @folded(%x: !host.buffer<4x8xf16>, %sums: !host.buffer<4x8xf32>, %rows: index) attributes {device = "npu"} {
  %o = host.buffer : !host.buffer<4x8xf16>
  npu.elementwise copy %sums -> %o rows %rows : !host.buffer<4x8xf32> -> !host.buffer<4x8xf16>
  npu.elementwise add %x, %o -> %x rows %rows : !host.buffer<4x8xf16>, !host.buffer<4x8xf16> -> !host.buffer<4x8xf16>
  func.return
}

// A linear layer needs 16-bit operands: the copy stays.
// CHECK-LABEL: func.func @operand
// CHECK:         npu.elementwise copy %sums -> %o
func.func @operand(%sums: !host.buffer<4x8xf32>, %y: !host.buffer<4x8xf16>, %rows: index) attributes {device = "npu"} {
  %o = host.buffer : !host.buffer<4x8xf16>
  npu.elementwise copy %sums -> %o rows %rows : !host.buffer<4x8xf32> -> !host.buffer<4x8xf16>
  npu.linear %o, @w -> %y rows %rows : !host.buffer<4x8xf16> -> !host.buffer<4x8xf16>
  func.return
}

// The source changes before the copy is read: the copy stays.
// CHECK-LABEL: func.func @overwritten
// CHECK:         npu.elementwise copy %sums -> %o
func.func @overwritten(%x: !host.buffer<4x8xf32>, %sums: !host.buffer<4x8xf32>, %y: !host.buffer<4x8xf16>, %rows: index) attributes {device = "npu"} {
  %o = host.buffer : !host.buffer<4x8xf16>
  npu.elementwise copy %sums -> %o rows %rows : !host.buffer<4x8xf32> -> !host.buffer<4x8xf16>
  npu.elementwise copy %x -> %sums rows %rows : !host.buffer<4x8xf32> -> !host.buffer<4x8xf32>
  npu.elementwise silu %o -> %y rows %rows : !host.buffer<4x8xf16> -> !host.buffer<4x8xf16>
  func.return
}

// A buffer of the plan is read by other kernels: the copy stays.
// CHECK-LABEL: func.func @argument
// CHECK:         npu.elementwise copy %sums -> %o
func.func @argument(%o: !host.buffer<4x8xf16>, %sums: !host.buffer<4x8xf32>, %y: !host.buffer<4x8xf16>, %rows: index) attributes {device = "npu"} {
  npu.elementwise copy %sums -> %o rows %rows : !host.buffer<4x8xf32> -> !host.buffer<4x8xf16>
  npu.elementwise silu %o -> %y rows %rows : !host.buffer<4x8xf16> -> !host.buffer<4x8xf16>
  func.return
}
