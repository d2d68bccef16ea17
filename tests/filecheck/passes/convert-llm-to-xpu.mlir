// Kernels of an xPU become operators: their extents, and nothing of their data.

// RUN: xdsl-opt %s -p convert-llm-to-xpu | filecheck %s

// CHECK:        func.func @projections(%x: !host.buffer<4x32xf16>, %q: !host.buffer<4x32xf16>, %k: !host.buffer<4x16xf16>, %rows: index, %layer: index) attributes {device = "xpu"} {
// CHECK-NEXT:     xpu.norm(m = %rows, n = 32) {source = "norm"} : index
// CHECK-NEXT:     xpu.product(m = %rows, n = 48, k = 32) {source = "wq+wk"} : index
// CHECK:        func.func @feed_forward(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf16>, %rows: index, %layer: index) attributes {device = "xpu"} {
// CHECK-NEXT:     xpu.product(m = %rows, n = 64, k = 32) {source = "wg"} : index
// CHECK-NEXT:     xpu.product(m = %rows, n = 64, k = 32) {source = "wu"} : index
// CHECK-NEXT:     xpu.activation(kind = glu, m = %rows, n = 64) {source = "activation"} : index
// CHECK-NEXT:     xpu.product(m = %rows, n = 32, k = 64) {source = "wd"} : index
// CHECK-NOT:  @residual
// CHECK:      %done = host.launch @feed_forward(%x, %y, %rows, %c0) after(%start)

builtin.module {
  func.func @projections(%x: !host.buffer<4x32xf16>, %q: !host.buffer<4x32xf16>, %k: !host.buffer<4x16xf16>, %rows: index, %layer: index) attributes {device = "xpu"} {
    %0 = host.read %x rows %rows : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %gain = llm.get_weight @gain[%layer] : tensor<32xf16>
    %h = llm.rms_norm %0, %gain {eps = 1.000000e-05 : f32, source = "norm"} : tensor<?x32xf16>, tensor<32xf16>
    %wq = llm.get_weight @wq[%layer] : tensor<32x32xf16>
    %1 = llm.linear %h, %wq {source = "wq"} : tensor<?x32xf16>, tensor<32x32xf16> -> tensor<?x32xf16>
    %wk = llm.get_weight @wk[%layer] : tensor<16x32xf16>
    %2 = llm.linear %h, %wk {source = "wk"} : tensor<?x32xf16>, tensor<16x32xf16> -> tensor<?x16xf16>
    host.write %1, %q rows %rows : tensor<?x32xf16> -> !host.buffer<4x32xf16>
    host.write %2, %k rows %rows : tensor<?x16xf16> -> !host.buffer<4x16xf16>
    func.return
  }
  func.func @feed_forward(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf16>, %rows: index, %layer: index) attributes {device = "xpu"} {
    %h = host.read %x rows %rows : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %wg = llm.get_weight @wg[%layer] : tensor<64x32xf16>
    %0 = llm.linear %h, %wg {source = "wg"} : tensor<?x32xf16>, tensor<64x32xf16> -> tensor<?x64xf16>
    %wu = llm.get_weight @wu[%layer] : tensor<64x32xf16>
    %1 = llm.linear %h, %wu {source = "wu"} : tensor<?x32xf16>, tensor<64x32xf16> -> tensor<?x64xf16>
    %2 = llm.activation silu %0 {source = "activation"} : tensor<?x64xf16>
    %3 = llm.mul %2, %1 : tensor<?x64xf16>
    %wd = llm.get_weight @wd[%layer] : tensor<32x64xf16>
    %4 = llm.linear %3, %wd {source = "wd"} : tensor<?x64xf16>, tensor<32x64xf16> -> tensor<?x32xf16>
    %5 = llm.add %4, %h : tensor<?x32xf16>
    host.write %5, %y rows %rows : tensor<?x32xf16> -> !host.buffer<4x32xf16>
    func.return
  }
  func.func @residual(%x: !host.buffer<4x32xf16>, %y: !host.buffer<4x32xf16>, %rows: index) attributes {device = "xpu"} {
    %0 = host.read %x rows %rows : !host.buffer<4x32xf16> -> tensor<?x32xf16>
    %1 = llm.add %0, %0 : tensor<?x32xf16>
    host.write %1, %y rows %rows : tensor<?x32xf16> -> !host.buffer<4x32xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %c0 = arith.constant 0 : index
    %x = host.buffer : !host.buffer<4x32xf16>
    %y = host.buffer : !host.buffer<4x32xf16>
    %start = host.start
    %done = host.launch @residual(%x, %y, %rows) after(%start) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index
    %done_1 = host.launch @feed_forward(%x, %y, %rows, %c0) after(%done) : !host.buffer<4x32xf16>, !host.buffer<4x32xf16>, index, index
    func.return
  }
}
