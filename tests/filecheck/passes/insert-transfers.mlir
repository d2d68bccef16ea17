// What an xPU and its PIM stacks hand each other is sent before and after each launch on the PIM.

// RUN: xdsl-opt %s -p insert-transfers | filecheck %s

// CHECK:          %start = host.start
// CHECK-NEXT:     %done = host.launch @layer_0_xpu(%x, %q, %k, %rows) after(%start) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, !host.buffer<4x16xf16>, index
// CHECK-NEXT:     %sent = host.transfer %k, %q rows %rows after(%done) : !host.buffer<4x16xf16>, !host.buffer<4x32xf16>
// CHECK-NEXT:     %done_1 = host.launch @layer_1_pim(%k, %q, %o, %c0, %sequences) after(%sent) : !host.buffer<4x16xf16>, !host.buffer<4x32xf16>, !host.buffer<4x32xf32>, index, index
// CHECK-NEXT:     %back = host.transfer %o rows %rows after(%done_1) : !host.buffer<4x32xf32>
// CHECK-NEXT:     %done_2 = host.launch @layer_0_xpu(%x, %q, %k, %rows) after(%back) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, !host.buffer<4x16xf16>, index

builtin.module attributes {machine.processor = "xpu"} {
  func.func @layer_0_xpu(%x: !host.buffer<4x32xf16>, %q: !host.buffer<4x32xf16>, %k: !host.buffer<4x16xf16>, %rows: index) attributes {device = "xpu"} {
    %h = host.read %x rows %rows : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    host.write %h, %q rows %rows : tensor<?x32xf16> -> !host.buffer<4x32xf16>
    %g = host.read %k rows %rows : !host.buffer<4x16xf16> -> tensor<?x16xf16>
    host.write %g, %k rows %rows : tensor<?x16xf16> -> !host.buffer<4x16xf16>
    func.return
  }
  func.func @layer_1_pim(%k: !host.buffer<4x16xf16>, %q: !host.buffer<4x32xf16>, %o: !host.buffer<4x32xf32>, %begin: index, %end: index) attributes {device = "pim"} {
    %c1 = arith.constant 1 : index
    scf.for %sequence = %begin to %end step %c1 {
      %first, %new, %past, %slot = host.sequence %sequence
      %k_1 = host.view %k[%first] : !host.buffer<4x16xf16>
      %q_1 = host.view %q[%first] : !host.buffer<4x32xf16>
      %o_1 = host.view %o[%first] : !host.buffer<4x32xf32>
      %0 = host.read %k_1 rows %new : !host.buffer<4x16xf16> -> tensor<?x16xf16>
      %1 = host.read %q_1 rows %new : !host.buffer<4x32xf16> -> tensor<?x32xf32>
      host.write %1, %o_1 rows %new : tensor<?x32xf32> -> !host.buffer<4x32xf32>
    }
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %c0 = arith.constant 0 : index
    %x = host.buffer : !host.buffer<4x32xf16>
    %q = host.buffer : !host.buffer<4x32xf16>
    %k = host.buffer : !host.buffer<4x16xf16>
    %o = host.buffer : !host.buffer<4x32xf32>
    %start = host.start
    %done = host.launch @layer_0_xpu(%x, %q, %k, %rows) after(%start) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, !host.buffer<4x16xf16>, index
    %done_1 = host.launch @layer_1_pim(%k, %q, %o, %c0, %sequences) after(%done) : !host.buffer<4x16xf16>, !host.buffer<4x32xf16>, !host.buffer<4x32xf32>, index, index
    %done_2 = host.launch @layer_0_xpu(%x, %q, %k, %rows) after(%done_1) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, !host.buffer<4x16xf16>, index
    func.return
  }
}
