// Kernels with a device and a plan that launches them pass unchanged.

// RUN: xdsl-opt %s -p verify-placed | filecheck %s

// CHECK:        func.func @k(%x: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
// CHECK-NEXT:     %h = host.read %x rows %rows : !host.buffer<4x64xf16> -> tensor<?x64xf16>
// CHECK-NEXT:     %y = llm.add %h, %h : tensor<?x64xf16>
// CHECK-NEXT:     host.write %y, %x rows %rows : tensor<?x64xf16> -> !host.buffer<4x64xf16>
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }
// CHECK-NEXT:   func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
// CHECK-NEXT:     %x = host.buffer : !host.buffer<4x64xf16>
// CHECK-NEXT:     %e = host.launch @k(%x, %rows) : !host.buffer<4x64xf16>, index
// CHECK-NEXT:     func.return
// CHECK-NEXT:   }

builtin.module {
  func.func @k(%x: !host.buffer<4x64xf16>, %rows: index) attributes {device = "npu"} {
    %h = host.read %x rows %rows : !host.buffer<4x64xf16> -> tensor<?x64xf16>
    %y = llm.add %h, %h : tensor<?x64xf16>
    host.write %y, %x rows %rows : tensor<?x64xf16> -> !host.buffer<4x64xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %x = host.buffer : !host.buffer<4x64xf16>
    %e = host.launch @k(%x, %rows) : !host.buffer<4x64xf16>, index
    func.return
  }
}
